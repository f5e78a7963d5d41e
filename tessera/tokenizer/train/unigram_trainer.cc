#include "tessera/tokenizer/train/unigram_trainer.h"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/train/tokenizer_text.h"
#include "tessera/tokenizer/train/unigram_pieces.h"
#include "tessera/tokenizer/train/word_counts.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// Between the scores of characters that lost their place on the way.
constexpr double kStep = 0.0001;

struct Scored {
  std::string text;
  double score;
};

class UnigramTrainer : public Trainer {
 public:
  explicit UnigramTrainer(const UnigramTrainerOptions& options) : options_(options) {}

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    if (options_.unknown.empty()) throw Error("unknown", "must not be empty in this model");
    TrainingRequest request = asked;
    request.specials = specials_with(asked, options_.unknown);
    const CuttingParts parts = parts_of(request, "metaspace");
    if (TextCutter(parts).reading() == Reading::byte_level) {
      throw Error("--pre-tokenizer", "reads words by bytes, and this model knows characters",
                  "Name metaspace, whitespace or bert.");
    }
    TrainingRequest counting = request;
    counting.memory = memory_beside_seeds(request.memory);
    const WordCounts counts = count_words(texts, parts, counting);
    TrainedTokenizer out;
    out.notes = notes_of(counts, texts);
    out.bytes = texts.bytes_read();
    out.words = counts.total;
    out.distinct = counts.distinct;

    const SpelledWords words = spell(counts, out.notes);
    expect_text(!words.begins.empty());
    const auto reserved =
        static_cast<int64_t>(request.specials.size()) + (options_.byte_fallback ? 256 : 0);
    const std::set<char32_t> required = required_characters(words);
    const auto least = reserved + static_cast<int64_t>(required.size());
    if (request.vocab_size < least) {
      throw Error(fmt::format("--vocab-size {}", request.vocab_size),
                  fmt::format("cannot hold {} reserved tokens and {} characters", reserved,
                              required.size()),
                  fmt::format("{} is the least that works.", least));
    }
    const std::vector<Scored> pieces = finish(words, learn(words, request), required,
                                              static_cast<size_t>(request.vocab_size - reserved));
    out.tokens = reserved + static_cast<int64_t>(pieces.size());
    if (out.tokens < request.vocab_size) {
      out.notes.push_back(
          fmt::format("the texts gave {} tokens instead of {}. More text gives more.", out.tokens,
                      request.vocab_size));
    }
    out.json = file_text(pieces, parts, request);
    return out;
  }

 private:
  static SpelledWords spell(const WordCounts& counts, std::vector<std::string>& notes) {
    SpelledWords out;
    std::vector<char32_t> codes;
    int64_t invalid = 0;
    for (const CountedWord& word : counts.words) {
      codes.clear();
      for (size_t i = 0; i < word.word.size();) {
        const Unit u = unit_at(word.word, i);
        if (u.code < kInvalidByte) codes.push_back(u.code);
        invalid += u.code >= kInvalidByte;
        i += u.length;
      }
      out.add(codes, word.count);
    }
    if (invalid > 0) {
      notes.push_back(
          fmt::format("{} bytes of different words are no UTF-8; they were left out.", invalid));
    }
    return out;
  }

  std::set<char32_t> required_characters(const SpelledWords& words) const {
    std::set<char32_t> out;
    for (char32_t c : words.text) {
      if (c != SpelledWords::kEnd) out.insert(c - 1);
    }
    for (size_t i = 0; i < options_.initial_alphabet.size();) {
      const Unit u = unit_at(options_.initial_alphabet, i);
      if (u.code < kInvalidByte) out.insert(u.code);
      i += u.length;
    }
    return out;
  }

  std::vector<LearnedPiece> learn(const SpelledWords& words, const TrainingRequest& request) const {
    return find_pieces(words,
                       {.longest = static_cast<size_t>(options_.max_piece_length),
                        .most = static_cast<size_t>(options_.seeds),
                        .learning = {.target = static_cast<size_t>(request.vocab_size),
                                     .shrinking_factor = options_.shrinking_factor,
                                     .rounds = options_.rounds,
                                     .threads = request.threads}},
                       request.progress);
  }

  // All required characters, then pieces in the order in which they were kept; by score at last.
  static std::vector<Scored> finish(const SpelledWords& words,
                                    const std::vector<LearnedPiece>& learned,
                                    std::set<char32_t> required, size_t most) {
    std::vector<Scored> out, others;
    double least = 0;
    for (const LearnedPiece& p : learned) {
      least = std::min(least, p.score);
      const bool needed = p.length == 1 && required.erase(words.text[p.begin] - 1) > 0;
      (needed ? out : others).push_back({text_of(words, p), p.score});
    }
    double penalty = 0;
    for (char32_t code : required) {
      std::string text;
      append_unit(text, code);
      out.push_back({std::move(text), least + penalty});
      penalty += kStep;
    }
    for (Scored& piece : others) {
      if (out.size() >= most) break;
      out.push_back(std::move(piece));
    }
    std::stable_sort(out.begin(), out.end(), [](const Scored& a, const Scored& b) {
      return a.score != b.score ? a.score > b.score : a.text < b.text;
    });
    return out;
  }

  std::string file_text(const std::vector<Scored>& pieces, const CuttingParts& parts,
                        const TrainingRequest& request) const {
    Json vocab = Json::array();
    const auto& names = request.specials;
    std::unordered_set<std::string> taken(names.begin(), names.end());
    for (const std::string& name : names) vocab.push_back({name, 0.0});
    for (int b = 0; options_.byte_fallback && b < 256; ++b) {
      vocab.push_back({fmt::format("<0x{:02X}>", b), 0.0});
    }
    for (const Scored& piece : pieces) {
      if (!taken.contains(piece.text)) vocab.push_back({piece.text, piece.score});
    }
    const auto unknown = std::find(names.begin(), names.end(), options_.unknown);
    const Json model = {{"type", "Unigram"},
                        {"unk_id", unknown - names.begin()},
                        {"vocab", std::move(vocab)},
                        {"byte_fallback", options_.byte_fallback}};
    CuttingParts around = parts;
    if (options_.byte_fallback && parts.decoder != "null") {
      around.decoder =
          Json({{"type", "Sequence"},
                {"decoders", {{{"type", "ByteFallback"}}, Json::parse(parts.decoder)}}})
              .dump();
    }
    return tokenizer_text(around, numbered(names), model);
  }

  UnigramTrainerOptions options_;
};

}  // namespace

std::unique_ptr<Trainer> unigram_trainer(const UnigramTrainerOptions& options) {
  return std::make_unique<UnigramTrainer>(options);
}

}  // namespace tessera
