#include "tessera/tokenizer/train/seq_bpe_trainer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <queue>
#include <set>
#include <unordered_map>
#include <utility>

#include "tessera/text/utf8.h"
#include "tessera/tokenizer/pattern.h"
#include "tessera/tokenizer/train/byte_pair_learning.h"
#include "tessera/tokenizer/train/byte_pair_text.h"
#include "tessera/tokenizer/train/greedy_dictionary.h"
#include "tessera/tokenizer/train/tokenizer_text.h"

namespace tessera {
namespace {

using Word = std::vector<uint32_t>;
using Pairs = std::map<std::pair<uint32_t, uint32_t>, int64_t>;

// Counts what occurs without overlaps: a run of three equal symbols holds one pair of them.
void count_pairs(const Word& symbols, Pairs& pairs) {
  bool taken = false;  // whether the symbol in front is part of a pair of equals
  for (size_t i = 1; i < symbols.size(); ++i) {
    const bool equal = symbols[i] == symbols[i - 1];
    taken = equal && !taken;
    if (!equal || taken) ++pairs[{symbols[i - 1], symbols[i]}];
  }
}

class Merges {
 public:
  explicit Merges(uint32_t alphabet) {
    for (uint32_t id = 0; id < alphabet; ++id) {
      texts_.push_back({id});
      known_.insert({id});
    }
  }
  // The first merge first, of one merge the first place first.
  Word encode(const Word& word) const {
    if (word.size() < 2) return word;
    Word symbols = word;
    std::vector<size_t> next(word.size()), previous(word.size());
    using Place = std::pair<uint32_t, size_t>;  // token to make; where its left part stands
    std::priority_queue<Place, std::vector<Place>, std::greater<>> queue;
    const auto offer = [&](size_t left) {
      if (left >= symbols.size() || next[left] >= symbols.size()) return;
      const auto it = made_.find(key(symbols[left], symbols[next[left]]));
      if (it != made_.end()) queue.emplace(it->second, left);
    };
    for (size_t i = 0; i < word.size(); ++i) {
      next[i] = i + 1;
      previous[i] = i == 0 ? word.size() : i - 1;
    }
    for (size_t i = 0; i < word.size(); ++i) offer(i);
    while (!queue.empty()) {
      const auto [id, left] = queue.top();
      queue.pop();
      const size_t right = next[left];
      if (symbols[left] == kGone || right >= symbols.size()) continue;
      const auto it = made_.find(key(symbols[left], symbols[right]));
      if (it == made_.end() || it->second != id) continue;
      symbols[left] = id;
      symbols[right] = kGone;
      next[left] = next[right];
      if (next[right] < symbols.size()) previous[next[right]] = left;
      offer(left);
      if (previous[left] < symbols.size()) offer(previous[left]);
    }
    std::erase(symbols, kGone);
    return symbols;
  }
  void learn(const Pairs& pairs, double least) {
    int64_t most = 0;
    std::pair<uint32_t, uint32_t> best{};
    Word best_text;
    for (const auto& [pair, n] : pairs) {
      if (n <= most || static_cast<double>(n) <= least) continue;
      Word text = texts_[pair.first];
      text.insert(text.end(), texts_[pair.second].begin(), texts_[pair.second].end());
      if (known_.contains(text)) continue;
      most = n;
      best = pair;
      best_text = std::move(text);
    }
    if (most == 0) return;
    const auto id = static_cast<uint32_t>(texts_.size());
    made_.emplace(key(best.first, best.second), id);
    known_.insert(best_text);
    texts_.push_back(std::move(best_text));
    merges_.push_back({best.first, best.second, id});
  }
  size_t count() const { return merges_.size(); }
  std::vector<LearnedMerge> take() { return std::move(merges_); }

 private:
  static constexpr uint32_t kGone = UINT32_MAX;
  static uint64_t key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

  std::vector<Word> texts_;
  std::set<Word> known_;
  std::unordered_map<uint64_t, uint32_t> made_;
  std::vector<LearnedMerge> merges_;
};

class SeqBpeTrainer : public Trainer {
 public:
  explicit SeqBpeTrainer(const SeqBpeTrainerOptions& options) : options_(options) {}

  bool reads_in_order() const override { return true; }

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    TrainingRequest request = asked;
    request.specials = specials_with(asked, "");
    const CuttingParts parts = byte_cutting(request);
    const auto specials = static_cast<int64_t>(request.specials.size());
    check_room(request, specials + 256, "special tokens and bytes");
    TextCutter cutter(parts);
    std::vector<Word> words;
    texts.read(
        1, [&](std::string_view text) { return cutter.place_to_cut(text); },
        [&](const TextBlock& block, size_t) {
          cutter.cut(block, [&](const char* word, size_t size) {
            Word symbols;
            for (size_t i = 0; i < size; ++i) {
              symbols.push_back(static_cast<unsigned char>(word[i]));
            }
            words.push_back(std::move(symbols));
          });
        });
    expect_text(texts.bytes_read() > 0);
    const int64_t wanted = request.vocab_size - specials - 256;
    const double least =
        options_.least > 0 ? options_.least : std::log(static_cast<double>(wanted + 256));
    LearnedBytePairs learned;
    // The file's bytes stand in the order of the characters that write them.
    std::vector<std::pair<std::string, unsigned char>> alphabet;
    for (unsigned b = 0; b < 256; ++b) {
      std::string text;
      append_unit(text, byte_level_character(static_cast<unsigned char>(b)));
      alphabet.emplace_back(std::move(text), static_cast<unsigned char>(b));
    }
    std::sort(alphabet.begin(), alphabet.end());
    std::vector<uint32_t> ids(256);
    learned.tokens = request.specials;
    for (const auto& [text, byte] : alphabet) {
      ids[byte] = static_cast<uint32_t>(learned.tokens.size());
      learned.tokens.push_back(text);
    }
    learned.alphabet = specials + 256;
    for (const LearnedMerge& m : learn_in_sequence(words, 256, wanted, least, options_.again)) {
      const uint32_t left = ids[m.left], right = ids[m.right];
      const auto id = static_cast<uint32_t>(learned.tokens.size());
      learned.merges.push_back({left, right, id});
      learned.tokens.push_back(learned.tokens[left] + learned.tokens[right]);
      ids.push_back(id);
    }
    TrainedTokenizer out;
    out.json = byte_pair_text(learned, parts, request, {});
    out.tokens = static_cast<int64_t>(learned.tokens.size());
    out.bytes = texts.bytes_read();
    note_shortage(out.notes, "parts with a frequent pair", out.tokens, request);
    return out;
  }

 private:
  SeqBpeTrainerOptions options_;
};

}  // namespace

std::vector<LearnedMerge> learn_in_sequence(const std::vector<std::vector<uint32_t>>& words,
                                            uint32_t alphabet, int64_t parts, double least,
                                            bool again) {
  size_t symbols = 0;
  for (const Word& word : words) symbols += word.size();
  Merges merges(alphabet);
  const auto wanted = static_cast<size_t>(parts);
  for (size_t before = 0; merges.count() < wanted; before = merges.count()) {
    size_t word = 0, at = 0, taken = 0;
    for (int64_t part = 1; part <= parts && merges.count() < wanted; ++part) {
      const auto end = static_cast<size_t>(static_cast<double>(symbols) *
                                           static_cast<double>(part) / static_cast<double>(parts));
      Pairs pairs;
      while (taken < end && word < words.size()) {
        const size_t size = std::min(words[word].size() - at, end - taken);
        const auto begin = words[word].begin() + static_cast<ptrdiff_t>(at);
        count_pairs(merges.encode(Word(begin, begin + static_cast<ptrdiff_t>(size))), pairs);
        taken += size;
        at += size;
        if (at == words[word].size()) {
          ++word;
          at = 0;
        }
      }
      merges.learn(pairs, least);
    }
    if (!again || merges.count() == before) break;
  }
  return merges.take();
}

std::unique_ptr<Trainer> seq_bpe_trainer(const SeqBpeTrainerOptions& options) {
  return std::make_unique<SeqBpeTrainer>(options);
}

}  // namespace tessera
