#include "tessera/tokenizer/train/lib_trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/progress.h"
#include "tessera/base/random.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/fewest_dictionary.h"
#include "tessera/tokenizer/train/greedy_dictionary.h"
#include "tessera/tokenizer/train/lib_learning.h"

namespace tessera {
namespace {

constexpr int64_t kReadings = 20, kMostDocuments = 5000;
// What names of bytes are made of, such as <0x0A>. A text that holds one must be cut into these.
constexpr std::string_view kByteNames = "<>x0123456789ABCDEF";

std::string text_of(std::u32string_view unit) {
  std::string out;
  for (const char32_t code : unit) append_unit(out, code);
  return out;
}

// All texts, and how each is cut.
struct Corpus {
  std::string bytes;
  std::vector<size_t> texts;  // where each ends, in words
  std::vector<size_t> words;  // where each ends, in bytes
  std::unordered_map<char32_t, int64_t> characters;
};

class LibTrainer : public Trainer {
 public:
  explicit LibTrainer(const LibTrainerOptions& options) : options_(options) {}

  bool reads_in_order() const override { return true; }

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    const TrainingRequest request = greedy_request(asked, options_.unknown);
    const CuttingParts parts = byte_cutting(request);
    TextSample sample;
    const Corpus corpus = read(texts, parts, sample);
    expect_text(!corpus.words.empty());
    const std::vector<char32_t> alphabet = alphabet_of(corpus);
    std::vector<std::string> tokens = single_bytes();
    for (const char32_t code : alphabet) {
      if (code >= 0x80 && code < kInvalidByte) tokens.push_back(text_of({&code, 1}));
    }
    // Where texts are cut by characters those of ASCII stand beside the bytes.
    const bool fewest = options_.encode == "fewest";
    std::string ascii = fewest ? std::string(kByteNames) : "";
    for (const char32_t code : alphabet) {
      const auto c = static_cast<char>(code);
      if (fewest && code < 0x80 && ascii.find(c) == std::string::npos) ascii += c;
    }
    const auto beside = static_cast<int64_t>(ascii.size());
    const auto specials = static_cast<int64_t>(request.specials.size()) + beside;
    const auto least = specials + static_cast<int64_t>(tokens.size());
    check_room(request, least, "special tokens, bytes and characters");
    const auto room = static_cast<size_t>(request.vocab_size - least);
    const std::vector<std::u32string> lexicon = learn(corpus, alphabet, room, request);
    const size_t base = tokens.size();
    const auto is_base = [known = std::set<std::string>(tokens.begin(), tokens.end())](
                             const std::string& text) { return known.contains(text); };
    for (const std::u32string& unit : lexicon) {
      // A byte that is no UTF-8 may be part of a character elsewhere.
      const bool valid =
          std::all_of(unit.begin(), unit.end(), [](char32_t code) { return code < kInvalidByte; });
      std::string text = text_of(unit);
      if (!valid || text.size() == 1 || is_base(text)) continue;
      if (tokens.size() == base + room) break;
      tokens.push_back(std::move(text));
    }

    TrainedTokenizer out;
    out.json = fewest ? fewest_text(by_ordinal(tokens, lexicon), request, options_.unknown, sample)
                      : greedy_text(tokens, parts, request, options_.unknown, sample);
    out.tokens = specials + static_cast<int64_t>(tokens.size());
    out.bytes = texts.bytes_read();
    note_shortage(out.notes, "units", out.tokens, request);
    if (corpus.texts.size() < static_cast<size_t>(options_.document)) {
      std::string note = fmt::format("a document of {} texts holds some of these {} repeatedly.",
                                     options_.document, corpus.texts.size());
      // One line: it is also why the texts ran out.
      if (out.notes.empty()) {
        out.notes.push_back(std::move(note));
      } else {
        out.notes.back() += " Also, " + note;
      }
    }
    measure(corpus, tokens, base, out);
    return out;
  }

 private:
  // The tokens that are units, by their place in the lexicon.
  static std::vector<std::string> by_ordinal(const std::vector<std::string>& tokens,
                                             const std::vector<std::u32string>& lexicon) {
    const std::set<std::string> taken(tokens.begin(), tokens.end());
    std::vector<std::string> out;
    for (const std::u32string& unit : lexicon) {
      std::string text = text_of(unit);
      if (is_utf8(text) && taken.contains(text)) out.push_back(std::move(text));
    }
    for (const char c : kByteNames) {
      if (std::find(out.begin(), out.end(), std::string(1, c)) == out.end()) out.emplace_back(1, c);
    }
    return out;
  }

  static Corpus read(TrainingTexts& texts, const CuttingParts& parts, TextSample& sample) {
    Corpus out;
    TextCutter cutter(parts);
    texts.read(
        1, [&](std::string_view text) { return cutter.place_to_cut(text); },
        [&](const TextBlock& block, size_t) {
          sample.add(block);
          block.each_text([&](std::string_view text) {
            const size_t before = out.words.size();
            cutter.cut(TextBlock(std::string(text), {text.size()}),
                       [&](const char* word, size_t size) {
                         out.bytes.append(word, size);
                         out.words.push_back(out.bytes.size());
                       });
            if (out.words.size() > before) out.texts.push_back(out.words.size());
          });
        });
    size_t begin = 0;
    for (const size_t end : out.words) {
      const std::string_view word = std::string_view(out.bytes).substr(begin, end - begin);
      for (size_t at = 0; at < word.size();) {
        const Unit u = unit_at(word, at);
        ++out.characters[u.code];
        at += u.length;
      }
      begin = end;
    }
    return out;
  }

  // The characters, the most frequent first.
  std::vector<char32_t> alphabet_of(const Corpus& corpus) const {
    std::vector<std::pair<int64_t, char32_t>> counts;
    for (const auto& [code, count] : corpus.characters) counts.emplace_back(-count, code);
    std::sort(counts.begin(), counts.end());
    const auto most = static_cast<size_t>(options_.limit_alphabet);
    if (most > 0 && counts.size() > most) counts.resize(most);
    std::vector<char32_t> out;
    for (const auto& [count, code] : counts) out.push_back(code);
    return out;
  }

  int64_t documents_for(size_t texts) const {
    if (options_.documents > 0) return options_.documents;
    const auto wanted = (kReadings * static_cast<int64_t>(texts) - 1) / options_.document + 1;
    return std::min(kMostDocuments, wanted);
  }

  std::vector<std::u32string> learn(const Corpus& corpus, const std::vector<char32_t>& alphabet,
                                    size_t room, const TrainingRequest& request) const {
    const auto cap = static_cast<int64_t>(alphabet.size() + room);
    LibLearning learning({.alpha = options_.alpha,
                          .delta = options_.delta,
                          .omega = options_.omega,
                          .life = options_.life,
                          .max_length = options_.max_len,
                          .mini_gap = options_.mini_gap,
                          .cap = options_.cap ? cap : 0,
                          .seed = static_cast<uint64_t>(options_.seed)});
    for (const char32_t code : alphabet) learning.add({&code, 1}, true);
    const int64_t documents = documents_for(corpus.texts.size());
    ProgressOptions shown;
    shown.label = "reading documents";
    shown.unit = "documents";
    shown.total = documents;
    shown.sink = request.progress;
    Progress progress(shown);
    // Texts of a document are drawn without those that it has already, where there are enough. The
    // reader itself draws from streams of small numbers.
    Random random(static_cast<uint64_t>(options_.seed), ~uint64_t{0});
    std::vector<size_t> order(corpus.texts.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const bool enough = order.size() >= static_cast<size_t>(options_.document);
    for (int64_t d = 0; d < documents; ++d) {
      for (size_t i = 0; i < static_cast<size_t>(options_.document); ++i) {
        const size_t place = enough ? i + random.below(order.size() - i)
                                    : static_cast<size_t>(random.below(order.size()));
        const size_t text = order[place];
        if (enough) std::swap(order[i], order[place]);
        read_text(corpus, text, learning);
      }
      learning.end_document();
      progress.advance();
    }
    progress.finish();
    return learning.lexicon();
  }

  static void read_text(const Corpus& corpus, size_t text, LibLearning& learning) {
    std::u32string sentence;
    const size_t first = text == 0 ? 0 : corpus.texts[text - 1];
    for (size_t word = first; word < corpus.texts[text]; ++word) {
      sentence.clear();
      const size_t end = corpus.words[word];
      for (size_t at = word == 0 ? 0 : corpus.words[word - 1]; at < end;) {
        const Unit u = unit_at(std::string_view(corpus.bytes).substr(0, end), at);
        sentence += u.code;
        at += u.length;
      }
      learning.read(sentence);
    }
  }

  // Bits of the lexicon's spelling by the frequencies of its characters, and of the texts by those
  // of their tokens. Bytes that no text holds are no part of it.
  void measure(const Corpus& corpus, const std::vector<std::string>& tokens, size_t base,
               TrainedTokenizer& out) const {
    std::unordered_map<char32_t, int64_t> spelled;
    for (const auto& [code, count] : corpus.characters) spelled[code] = 1;
    for (size_t i = base; i < tokens.size(); ++i) {
      for (size_t at = 0; at < tokens[i].size();) {
        const Unit u = unit_at(tokens[i], at);
        ++spelled[u.code];
        at += u.length;
      }
    }
    const auto tokenizer = parse_tokenizer_json(out.json, "the trained vocabulary");
    std::unordered_map<char32_t, int64_t> used;
    size_t begin = 0;
    for (const size_t end : corpus.words) {
      const std::string_view word = std::string_view(corpus.bytes).substr(begin, end - begin);
      for (const TokenId id : tokenizer->encode_piece(word)) ++used[static_cast<char32_t>(id)];
      begin = end;
    }
    const double lexicon = bits(spelled), text = bits(used);
    out.figures = {{"used_tokens", "tokens that the texts use", static_cast<double>(used.size())},
                   {"lexicon_bits", "bits of the lexicon", lexicon},
                   {"text_bits", "bits of the texts", text},
                   {"description_length", "description length, bits", lexicon + text}};
  }

  // Sorted before they are added, so that the sum is always the same.
  static double bits(const std::unordered_map<char32_t, int64_t>& counts) {
    std::vector<int64_t> sorted;
    for (const auto& [what, count] : counts) sorted.push_back(count);
    std::sort(sorted.begin(), sorted.end());
    double total = 0, sum = 0;
    for (const int64_t count : sorted) total += static_cast<double>(count);
    for (const int64_t count : sorted) {
      sum -= static_cast<double>(count) * std::log2(static_cast<double>(count) / total);
    }
    return sum;
  }

  LibTrainerOptions options_;
};

}  // namespace

std::unique_ptr<Trainer> lib_trainer(const LibTrainerOptions& options) {
  return std::make_unique<LibTrainer>(options);
}

}  // namespace tessera
