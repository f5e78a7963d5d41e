// The loop of byte-pair encoding: join the most frequent pair of neighbours, again and again.
// Source: Sennrich et al. 2016, arXiv 1508.07909, section 3.2; order, ties and quirks are those of
// the trainer in the package tokenizers (docs/trainer/bpe.md), with counts of 64 bits.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tessera {

struct PairMergerOptions {
  int64_t vocab_size = 0;              // tokens at which to stop
  int64_t min_frequency = 0;           // pairs below it, and below 1, are not joined
  int64_t max_token_length = 0;        // new pairs are counted below so many symbols only; 0: all
  std::string continuing_prefix = {};  // that the right part of a new token is stripped of
  // As the trainer of SentencePiece has it: of equally frequent pairs the one of fewer symbols
  // comes first, then the smaller text, not the smaller ids; a text is made in one way only; pairs
  // that stand nowhere any more are joined when no others are left.
  bool by_text = false;
  // Whether a pair that makes this text may be joined; null: any may.
  std::function<bool(std::string_view text)> allowed = {};
};

struct LearnedMerge {
  uint32_t left, right, id;
};

class PairMerger {
 public:
  // `tokens`: what there is before the first merge, by id, no two equal.
  PairMerger(std::vector<std::string> tokens, PairMergerOptions options);
  // A word as ids of tokens, each one symbol long, that stands `count` times in the texts.
  void add_word(std::span<const uint32_t> symbols, int64_t count);
  // Joins pairs until options.vocab_size is reached or none is left. `merged` is called after each.
  std::vector<LearnedMerge> run(const std::function<void()>& merged = {});
  const std::vector<std::string>& tokens() const { return tokens_; }

 private:
  // A word, or 64 symbols of one that is long, so that a merge costs no more there than elsewhere.
  struct Segment {
    uint64_t begin;
    uint32_t size;
    bool joined;  // the next one goes on with its word
    int64_t count;
  };
  using Pair = uint64_t;
  struct Entry {
    uint64_t count;  // when it was put in
    Pair pair;
    uint32_t places;  // index in places_: the segments where the pair then began to stand
  };
  struct Known {
    int64_t count = 0;
    int64_t fresh = -1;  // index in fresh_
    bool barred = false;
  };
  struct Fresh {
    uint32_t known;
    Pair pair;
    std::vector<uint32_t> places;
  };
  static Pair pair_of(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

  uint32_t known(Pair pair);
  void grow();
  void change(uint32_t left, uint32_t right, int64_t by, uint32_t segment);
  void push_fresh();
  bool later(const Entry& a, const Entry& b) const;
  void push(const Entry& entry);
  Entry pop();
  std::string text_of(uint32_t left, uint32_t right) const;
  bool next_of(uint32_t segment, uint32_t& found) const;
  bool previous_of(uint32_t segment, uint32_t& found) const;
  void count_pairs();
  uint32_t token_of(uint32_t left, uint32_t right);
  void join_in(uint32_t segment, const LearnedMerge& merge);

  PairMergerOptions options_;
  std::vector<std::string> tokens_;
  std::vector<uint32_t> lengths_;  // of tokens, in symbols
  std::unordered_map<std::string, uint32_t> ids_;
  std::vector<uint32_t> symbols_;
  std::vector<Segment> segments_;
  std::vector<Pair> keys_;  // open addressing; kNoPair: free
  std::vector<uint32_t> values_;
  std::vector<Known> known_;
  std::vector<Fresh> fresh_;
  std::vector<std::vector<uint32_t>> places_;
  std::vector<Entry> queue_;  // a heap
};

}  // namespace tessera
