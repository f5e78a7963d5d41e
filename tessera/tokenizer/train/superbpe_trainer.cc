#include "tessera/tokenizer/train/superbpe_trainer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/byte_pair_learning.h"
#include "tessera/tokenizer/train/byte_pair_text.h"
#include "tessera/tokenizer/train/greedy_dictionary.h"
#include "tessera/tokenizer/train/text_cutter.h"
#include "tessera/tokenizer/train/tokenizer_text.h"
#include "tessera/tokenizer/train/word_counts.h"

namespace tessera {
namespace {

// The words of all lines, each as often as its line stands there.
WordCounts words_of(const WordCounts& lines, const CuttingParts& parts) {
  TextCutter cutter(parts);
  WordTable table;
  for (const CountedWord& line : lines.words) {
    cutter.cut(TextBlock(std::string(line.word), {line.word.size()}),
               [&](const char* word, size_t size) { table.add({word, size}, line.count); });
  }
  return sorted_counts(table);
}

// The words of which a token, written in the byte-level alphabet, holds some part.
int64_t words_in(std::string_view token) {
  static const std::string space = [] {
    std::string out;
    append_unit(out, byte_level_character(' '));
    return out;
  }();
  int64_t words = 0;
  for (bool outside = true; !token.empty();) {
    const bool white = token.starts_with(space);
    words += outside && !white ? 1 : 0;
    outside = white;
    token.remove_prefix(white ? space.size() : 1);
  }
  return words;
}

class SuperbpeTrainer : public Trainer {
 public:
  explicit SuperbpeTrainer(const SuperbpeTrainerOptions& options) : options_(options) {}

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    if (!asked.normaliser.empty()) {
      throw Error("--normalizer", "has no place in a model that changes no text");
    }
    TrainingRequest request = asked;
    request.specials = specials_with(asked, "");
    const CuttingParts inside = parts_of(request, "gpt2"), over = cutting_named("bytes");
    if (TextCutter(inside).reading() != Reading::byte_level) {
      throw Error("--pre-tokenizer " + request.pre_tokenizer, "does not read words by bytes",
                  "gpt2, cl100k, o200k and --pattern do.");
    }
    const WordCounts lines = count_words(texts, over, request);
    LearnedBytePairs learned = learn_words(words_of(lines, inside), request);
    learn_phrases(lines, over, request, learned);
    TrainedTokenizer out =
        trained(byte_pair_text(learned, over, request, {}), learned, lines, texts);
    note_shortage(out.notes, "pairs", out.tokens, request);
    return out;
  }

 private:
  LearnedBytePairs learn_words(const WordCounts& words, const TrainingRequest& request) const {
    TrainingRequest first = request;
    const auto least = static_cast<int64_t>(request.specials.size()) + 256;
    first.vocab_size = std::min(
        request.vocab_size,
        std::max<int64_t>(least,
                          std::llround(options_.words * static_cast<double>(request.vocab_size))));
    LearnedBytePairs learned = learn_byte_pairs(words, Reading::byte_level,
                                                {.min_frequency = options_.min_frequency}, first);
    learned.notes.clear();  // that words ran out of pairs: the second stage has more
    return learned;
  }

  // Goes on from what the first stage's merges make of whole lines.
  void learn_phrases(const WordCounts& lines, const CuttingParts& over,
                     const TrainingRequest& request, LearnedBytePairs& learned) const {
    const auto words =
        parse_tokenizer_json(byte_pair_text(learned, over, request, {}), "the vocabulary of words");
    PairMergerOptions options = {.vocab_size = request.vocab_size,
                                 .min_frequency = options_.min_frequency};
    if (options_.most_words > 0) {
      options.allowed = [most = options_.most_words](std::string_view token) {
        return words_in(token) <= most;
      };
    }
    PairMerger merger(learned.tokens, std::move(options));
    std::vector<uint32_t> symbols;
    for (const CountedWord& line : lines.words) {
      symbols.clear();
      for (const TokenId id : words->encode_piece(line.word)) {
        symbols.push_back(static_cast<uint32_t>(id));
      }
      merger.add_word(symbols, line.count);
    }
    ProgressOptions shown;
    shown.label = "merging over words";
    shown.unit = "tokens";
    shown.total = request.vocab_size - static_cast<int64_t>(learned.tokens.size());
    shown.sink = request.progress;
    Progress progress(shown);
    const std::vector<LearnedMerge> merges = merger.run([&] { progress.advance(); });
    progress.finish();
    learned.merges.insert(learned.merges.end(), merges.begin(), merges.end());
    learned.tokens = merger.tokens();
  }

  SuperbpeTrainerOptions options_;
};

}  // namespace

std::unique_ptr<Trainer> superbpe_trainer(const SuperbpeTrainerOptions& options) {
  return std::make_unique<SuperbpeTrainer>(options);
}

}  // namespace tessera
