#include "tessera/tokenizer/train/forced_trainer.h"

#include <algorithm>
#include <bit>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/text/corpus.h"
#include "tessera/text/normalise.h"
#include "tessera/text/unicode.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/byte_pair_learning.h"
#include "tessera/tokenizer/train/byte_pair_text.h"
#include "tessera/tokenizer/train/forced_groups.h"
#include "tessera/tokenizer/train/seeded_merges.h"
#include "tessera/tokenizer/train/tokenizer_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostForced = 1000000, kLongestForced = 1000;
constexpr EncodeOptions kContent{.add_template = false};

size_t characters_in(std::string_view text) {
  size_t n = 0;
  for (size_t i = 0; i < text.size(); i += unit_at(text, i).length) ++n;
  return n;
}

// As the texts are changed before tokens are looked for, where that is a normal form or lower case.
std::string as_texts(const std::string& token, const std::string& normaliser) {
  if (normaliser == "nfc") return normalise(token, NormalForm::nfc);
  if (normaliser == "nfd") return normalise(token, NormalForm::nfd);
  if (normaliser == "nfkc") return normalise(token, NormalForm::nfkc);
  if (normaliser == "nfkd") return normalise(token, NormalForm::nfkd);
  return normaliser == "lowercase" ? lower_case(token) : token;
}

bool word_edges(std::string_view token) {
  static const CodeBitmap letters_and_digits(*find_code_set("L") | *find_code_set("N"));
  size_t last = 0;
  for (size_t i = 0; i < token.size(); i += unit_at(token, i).length) last = i;
  return letters_and_digits[unit_at(token, 0).code] &&
         letters_and_digits[unit_at(token, last).code];
}

class ForcedTrainer : public Trainer {
 public:
  explicit ForcedTrainer(const ForcedTrainerOptions& options) : options_(options) {
    if (options.max_chars == 1) {
      throw Error("max-chars", "is 1, and a pair has two bytes at least", "Choose 2 or more.");
    }
    forced_ = forced_groups(options.groups);
  }

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    TrainingRequest request = asked;
    request.specials = specials_with(asked, "");
    const CuttingParts parts = parts_of(request, "gpt2");
    const Reading reading = TextCutter(parts).reading();
    std::vector<std::string> notes;
    const std::vector<std::string> forced = all_forced(request, notes);
    const auto count = static_cast<int64_t>(forced.size());
    const auto fixed = static_cast<int64_t>(request.specials.size()) + 256;
    if (count > 0 && request.vocab_size < fixed + count) {
      throw Error(
          fmt::format("--vocab-size {}", request.vocab_size),
          fmt::format("cannot hold {} special tokens and bytes and {} forced tokens", fixed, count),
          fmt::format("{} is the least that works.", fixed + count));
    }
    const WordCounts counts = count_words(texts, parts, request);
    const bool seeding = options_.match == "seeded";
    TrainingRequest smaller = request;
    if (!seeding) smaller.vocab_size -= count;
    LearnedBytePairs learned =
        learn_byte_pairs(counts, reading,
                         {.min_frequency = options_.min_frequency,
                          .max_token_length = options_.max_chars > 0 ? options_.max_chars + 1 : 0},
                         smaller);
    // Of learned tokens alone, whatever is seeded behind them.
    auto taught = static_cast<int64_t>(learned.tokens.size());
    int64_t seeded = 0;
    if (seeding) {
      taught = seed(forced, parts, request, reading, learned);
      seeded = static_cast<int64_t>(learned.tokens.size()) - taught;
    }
    learned.notes.insert(learned.notes.end(), notes.begin(), notes.end());
    TrainedTokenizer out =
        trained(byte_pair_text(learned, parts, request, {}), learned, counts, texts);
    const auto plain = parse_tokenizer_json(out.json, "the learned pairs");
    Json json = Json::parse(out.json);
    int64_t next = plain->vocabulary().size(), added = 0;
    const int64_t pairs = next;
    for (const std::string& token : forced) {
      if (plain->count(token, kContent) == 1) continue;
      const bool whole =
          options_.match == "single-word" || (options_.match != "added" && word_edges(token));
      add(json, next++, token, whole);
      ++added;
    }
    const int64_t padded = options_.pad ? pad(json, next, request.vocab_size, *plain, forced) : 0;
    out.json = json.dump(2) + "\n";
    const auto made = parse_tokenizer_json(out.json, "the trained vocabulary");
    out.tokens = made->vocabulary().size();
    const auto figure = [&](const char* name, const char* meaning, int64_t value) {
      out.figures.push_back({name, meaning, static_cast<double>(value)});
    };
    if (count > 0) {
      figure("forced_learned",
             seeding ? "forced tokens that pairs make" : "forced tokens that the texts taught",
             count - added);
      if (seeding) figure("seeded", "tokens behind the learned ones that make them", seeded);
      figure("forced_added", "forced tokens that were added", added);
    }
    if (options_.pad) figure("padding", "tokens that fill the size", padded);
    figure("unreachable", "learned tokens that their own bytes do not give",
           unreachable(*made, static_cast<TokenId>(learned.alphabet), static_cast<TokenId>(pairs)));
    return out;
  }

 private:
  // Puts merges for the forced tokens that are one word, bare and, where they begin and end like a
  // word, behind a space, in place of the last learned ones. Gives the number of tokens in front of
  // them. Throws Error where even without any learned ones the size cannot hold them.
  static int64_t seed(const std::vector<std::string>& forced, const CuttingParts& parts,
                      const TrainingRequest& request, Reading reading, LearnedBytePairs& learned) {
    TextCutter cutter(parts);
    const auto one_word = [&](const std::string& text) {
      bool whole = false;
      cutter.cut(TextBlock(text, {text.size()}), [&](const char* word, size_t size) {
        whole = std::string_view(word, size) == text;
      });
      return whole;
    };
    std::vector<std::string> words;
    int64_t apart = 0;
    for (const std::string& token : forced) {
      if (!one_word(token)) {
        ++apart;
        continue;
      }
      words.push_back(token);
      std::string behind = " ";
      if (word_edges(token) && one_word(behind += token)) words.push_back(std::move(behind));
    }
    const LearnedBytePairs all = learned;
    for (size_t merges = all.merges.size();;) {
      learned = all;
      learned.merges.resize(merges);
      // Two merges may make the same token.
      uint32_t tokens = static_cast<uint32_t>(all.alphabet);
      for (const LearnedMerge& merge : learned.merges) tokens = std::max(tokens, merge.id + 1);
      learned.tokens.resize(tokens);
      const auto unknown = add_seeded_merges(words, reading, learned);
      const int64_t size = static_cast<int64_t>(learned.tokens.size()) + apart +
                           static_cast<int64_t>(unknown.size());
      if (size <= request.vocab_size) return tokens;
      if (merges == 0) {
        throw Error(fmt::format("--vocab-size {}", request.vocab_size),
                    "cannot hold the tokens that make the forced ones",
                    fmt::format("{} is the least that works.", size));
      }
      merges -= std::min(merges, static_cast<size_t>(size - request.vocab_size));
    }
  }

  // Sorted, none twice, without special tokens and what is one character.
  std::vector<std::string> all_forced(const TrainingRequest& request,
                                      std::vector<std::string>& notes) const {
    std::vector<std::string> given = forced_;
    if (!options_.tokens.empty()) {
      int64_t number = 0;
      read_lines(options_.tokens, [&](std::string_view line) {
        ++number;
        const std::string place = fmt::format("{}: line {}", options_.tokens, number);
        if (!is_utf8(line)) throw Error(place, "is not UTF-8");
        if (line.size() > kLongestForced) {
          throw Error(place, fmt::format("has more than {} bytes", kLongestForced));
        }
        if (given.size() >= kMostForced) {
          throw Error(place, fmt::format("is beyond {} tokens", kMostForced));
        }
        if (!line.empty()) given.emplace_back(line);
      });
    }
    std::set<std::string> out;
    int64_t changed = 0;
    std::string example;
    for (const std::string& token : given) {
      const std::string text = as_texts(token, request.normaliser);
      if (text != token && changed++ == 0) example = token;
      if (std::find(request.specials.begin(), request.specials.end(), text) !=
          request.specials.end()) {
        throw Error("the forced token " + text, "is a special token, too",
                    "Leave out one of them.");
      }
      if (characters_in(text) > 1) out.insert(text);
    }
    if (changed > 0) {
      notes.push_back(
          fmt::format("{} forced tokens are kept as --normalizer {} changes them, such as {}.",
                      changed, request.normaliser, example));
    }
    return {out.begin(), out.end()};
  }

  static void add(Json& json, int64_t id, const std::string& text, bool whole) {
    json["added_tokens"].push_back({{"id", id},
                                    {"content", text},
                                    {"single_word", whole},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", true},
                                    {"special", false}});
  }

  // Gives the number of tokens; `next` is the first free id.
  static int64_t pad(Json& json, int64_t& next, int64_t wanted, const Tokenizer& plain,
                     const std::vector<std::string>& forced) {
    const auto goal =
        static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max(next, wanted))));
    std::set<std::string_view> known(forced.begin(), forced.end());
    for (TokenId id = 0; id < plain.vocabulary().size(); ++id) {
      known.insert(plain.vocabulary().bytes(id));
    }
    const int64_t before = next;
    for (size_t length = 2; next < goal && length <= kLongestForced; ++length) {
      for (const char c : {' ', '\n'}) {
        const std::string run(length, c);
        if (next < goal && !known.contains(run)) add(json, next++, run, false);
      }
    }
    // Longer ones no program reads: names that no text gives.
    for (int64_t number = 0; next < goal; ++number) {
      const std::string name = fmt::format("<|unused{}|>", number);
      if (plain.vocabulary().find(name) || known.contains(name)) continue;
      add(json, next++, name, false);
      json["added_tokens"].back()["normalized"] = false;
      json["added_tokens"].back()["special"] = true;
    }
    return next - before;
  }

  static int64_t unreachable(const Tokenizer& tokenizer, TokenId first, TokenId end) {
    int64_t n = 0;
    for (TokenId id = first; id < end; ++id) {
      const std::string_view bytes = tokenizer.vocabulary().bytes(id);
      if (!is_utf8(bytes)) continue;
      const std::vector<TokenId> ids = tokenizer.encode(bytes, kContent).ids;
      n += ids.size() != 1 || ids[0] != id;
    }
    return n;
  }

  ForcedTrainerOptions options_;
  std::vector<std::string> forced_;
};

}  // namespace

std::unique_ptr<Trainer> forced_trainer(const ForcedTrainerOptions& options) {
  return std::make_unique<ForcedTrainer>(options);
}

}  // namespace tessera
