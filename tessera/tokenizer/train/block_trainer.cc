#include "tessera/tokenizer/train/block_trainer.h"

#include <algorithm>

#include "tessera/text/utf8.h"
#include "tessera/tokenizer/train/greedy_dictionary.h"
#include "tessera/tokenizer/train/word_counts.h"

namespace tessera {
namespace {

// Calls take(block) for every `length` characters that stand side by side in the word.
template <class Take>
void each_block(std::string_view word, size_t length, const Take& take) {
  std::vector<size_t> starts;  // of the last characters, used in turn
  starts.resize(length);
  size_t seen = 0;
  for (size_t at = 0; at < word.size();) {
    starts[seen++ % length] = at;
    at += unit_at(word, at).length;
    if (seen >= length) {
      const size_t begin = starts[seen % length];
      take(word.substr(begin, at - begin));
    }
  }
}

class BlockTrainer : public Trainer {
 public:
  explicit BlockTrainer(const BlockTrainerOptions& options) : options_(options) {}

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    const TrainingRequest request = greedy_request(asked, options_.unknown);
    const CuttingParts parts = byte_cutting(request);
    const auto specials = static_cast<int64_t>(request.specials.size());
    check_room(request, specials + 256, "special tokens and bytes");
    TextSample sample;
    const TextCutter places(parts);
    const WordCounts counts = count_words(
        texts,
        [&](const TextBlock& block, WordTable& table) {
          sample.add(block);
          TextCutter(parts).cut(block, [&](const char* word, size_t size) {
            each_block({word, size}, static_cast<size_t>(options_.length),
                       [&](std::string_view text) { table.add(text); });
          });
        },
        [&](std::string_view text) { return places.place_to_cut(text); }, request);
    expect_text(texts.bytes_read() > 0);
    // Single bytes are there already.
    std::vector<CountedWord> blocks;
    for (const CountedWord& word : counts.words) {
      if (word.word.size() > 1) blocks.push_back(word);
    }
    // Of equally frequent ones the first by their bytes.
    std::stable_sort(blocks.begin(), blocks.end(),
                     [](const auto& a, const auto& b) { return a.count > b.count; });
    const auto room = static_cast<size_t>(request.vocab_size - specials - 256);
    if (blocks.size() > room) blocks.resize(room);
    std::vector<std::string> tokens = single_bytes();
    for (const CountedWord& block : blocks) tokens.emplace_back(block.word);

    TrainedTokenizer out;
    out.json = greedy_text(tokens, parts, request, options_.unknown, sample);
    out.tokens = specials + static_cast<int64_t>(tokens.size());
    out.bytes = texts.bytes_read();
    out.notes = notes_of(counts, texts);
    note_shortage(out.notes, "different blocks", out.tokens, request);
    return out;
  }

 private:
  BlockTrainerOptions options_;
};

}  // namespace

std::unique_ptr<Trainer> block_trainer(const BlockTrainerOptions& options) {
  return std::make_unique<BlockTrainer>(options);
}

}  // namespace tessera
