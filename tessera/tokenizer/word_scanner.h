// Cuts text into words as the patterns of byte-level vocabularies do, 64 bytes at a time: classes
// of characters are bit masks, and what a pattern says about neighbours is shifts of them. Equal to
// the pattern, which stays the judge (tests compare the two).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tessera/kernels/text_masks.h"
#include "tessera/tokenizer/pattern.h"

namespace tessera {

class WordClasses;

// What the patterns have in common, and where they differ.
struct WordRule {
  enum class Kind : uint8_t {
    gpt2,    // a space in front of a run of letters, of numbers or of others belongs to it
    cl100k,  // any one character but a newline, letter or number belongs to the letters behind it;
             // newlines belong to the run of others in front of them
    o200k,   // the same, and words end before an upper-case letter behind a lower-case one;
             // contractions belong to the word in front of them
  };
  Kind kind = Kind::gpt2;
  // Numbers in one word; 0: any. gpt2 knows 0, and 1, where each number is cut out beforehand, so
  // that no space belongs to it.
  int digits = 0;
  // All white space that ends the text is one word.
  bool white_end = false;
  // Which letters behind an apostrophe make a contraction.
  enum class Contractions : uint8_t {
    lower_case,
    ascii,   // of either case
    folded,  // and U+017F, which is an s to those who ignore case
    none,
  };
  Contractions contractions = Contractions::lower_case;
};

// Not for use by several threads at once.
class WordScanner {
 public:
  explicit WordScanner(WordRule rule);

  // Begins a text, which must outlive the scan. Longest: below 4 GiB. `composed`: stop in front of
  // characters that Unicode's form C might change or join to their neighbours.
  void begin(std::string_view text, bool composed = false);
  // Appends where the next words begin, as offsets from the text's first byte, about 2,000 of them,
  // and says where the last one ends. Gives no words, and the place itself, at the text's end and
  // where stopped() says why: the caller cuts some text there itself and goes on with skip().
  size_t next(std::vector<uint32_t>& starts);
  enum class Stop : uint8_t {
    no,
    form,     // characters that begin() was told to stop at are near
    pattern,  // what the rule leaves to the pattern is near
  };
  Stop stopped() const { return stop_; }
  // Words are known up to `at`, where one begins.
  void skip(size_t at) { at_ = at; }

 private:
  struct Block {
    uint64_t letter, number, white, other;
    uint64_t upper, lower;  // letters that can be only one of both
    uint64_t tail;          // bytes behind the first one of a character
  };

  void classify(size_t begin, size_t end);
  void classify_wide(size_t begin, size_t end);
  uint8_t classify_one(const WordClasses& table, size_t begin, size_t b, size_t bit, size_t& at);
  void place_marks();
  static void put(Block& block, uint64_t bytes, uint64_t tail, uint8_t found);
  template <WordRule::Kind kKind>
  void mark(size_t blocks, bool at_end);
  static uint64_t number_starts(const Block& x, uint64_t number_before, int& run);
  bool newline_ends(size_t b, uint64_t bit, uint64_t through, uint64_t newline) const;
  void start_of_character(size_t at);
  void attach_contractions(size_t blocks, size_t size);
  void split_mixed_runs(size_t blocks, size_t size);
  void split_mixed_run(size_t first, size_t end);
  void join_white_end(size_t size);
  size_t last_sure_start(size_t blocks) const;
  void give(size_t sure, std::vector<uint32_t>& out);

  static bool is(const std::vector<uint64_t>& bits, size_t at) {
    return (bits[at >> 6] >> (at & 63) & 1) != 0;
  }
  void set(uint64_t Block::* mask, size_t at, uint64_t value) {
    uint64_t& bits = blocks_[at >> 6].*mask;
    bits = (bits & ~(uint64_t{1} << (at & 63))) | value << (at & 63);
  }
  bool is_other(size_t at) const { return (blocks_[at >> 6].other >> (at & 63) & 1) != 0; }
  bool letter(size_t at) const { return (blocks_[at >> 6].letter >> (at & 63) & 1) != 0; }
  bool is_white(size_t at) const { return (blocks_[at >> 6].white >> (at & 63) & 1) != 0; }

  WordRule rule_;
  std::string_view text_;
  size_t at_ = 0;
  bool composed_ = false;
  Stop stop_ = Stop::no;
  LeadSet letter_leads_, letter_leads_by_second_;
  std::vector<AsciiMasks> ascii_;
  std::vector<WideMasks> wide_;
  std::vector<Block> blocks_;    // one empty block behind the last
  std::vector<uint32_t> marks_;  // where combining marks are, under o200k
  std::vector<uint64_t> starts_;
  std::vector<uint64_t> forced_;  // starts behind contractions
};

}  // namespace tessera
