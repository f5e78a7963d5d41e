#include "tessera/tokenizer/word_scanner.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "tessera/kernels/kernels.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/word_classes.h"

namespace tessera {
namespace {

// A chunk's masks stay in the first-level cache.
constexpr size_t kFirstChunk = 4096;

// Bits of `x` moved to the next byte, the last one of the block before coming in.
uint64_t after(uint64_t x, uint64_t before) { return x << 1 | before >> 63; }

// The bits of `seeds` and those of `through` that follow them without a gap.
uint64_t flood(uint64_t seeds, uint64_t through) {
  for (int step = 1; step < 64; step *= 2) {
    seeds |= through & seeds << step;
    through &= through << step;
  }
  return seeds;
}

// Length of the letters of a contraction behind an apostrophe; 0: there is none.
size_t contraction(std::string_view behind, WordRule::Contractions which) {
  using Contractions = WordRule::Contractions;
  const bool any_case = which != Contractions::lower_case;
  const auto at = [&](size_t i) {
    const auto c = i < behind.size() ? static_cast<unsigned char>(behind[i]) : 0;
    return static_cast<char>(any_case && c < 0x80 ? c | 0x20 : c);
  };
  switch (at(0)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 1;
    case 'r':
    case 'v':
      return at(1) == 'e' ? 2 : 0;
    case 'l':
      return at(1) == 'l' ? 2 : 0;
    default:
      return which == Contractions::folded && behind.starts_with("\xC5\xBF") ? 2 : 0;
  }
}

}  // namespace

WordScanner::WordScanner(WordRule rule) : rule_(rule) {
  const WordClasses& table = WordClasses::instance();
  // o200k asks about case, and marks are a matter of what stands in front of them.
  const uint8_t asked =
      rule.kind == WordRule::Kind::o200k ? kLetter | kUpper | kLower | kMark : kLetter;
  letter_leads_ = table.leads(asked, kLetter);
  letter_leads_by_second_ = table.leads_by_second(asked, kLetter);
}

void WordScanner::begin(std::string_view text, bool composed) {
  text_ = text;
  at_ = 0;
  composed_ = composed;
  stop_ = Stop::no;
}

size_t WordScanner::next(std::vector<uint32_t>& starts) {
  for (size_t chunk = kFirstChunk; at_ < text_.size(); chunk *= 2) {
    const size_t end = std::min(at_ + chunk, text_.size());
    const size_t blocks = (end - at_ + 63) / 64;
    stop_ = Stop::no;
    classify(at_, end);
    if (stop_ != Stop::no) return at_;
    if (rule_.kind == WordRule::Kind::gpt2) {
      mark<WordRule::Kind::gpt2>(blocks, end == text_.size());
    } else if (rule_.kind == WordRule::Kind::cl100k) {
      mark<WordRule::Kind::cl100k>(blocks, end == text_.size());
    } else {
      mark<WordRule::Kind::o200k>(blocks, end == text_.size());
    }
    const size_t sure = end == text_.size() ? end - at_ : last_sure_start(blocks);
    if (sure == 0) continue;
    give(sure, starts);
    at_ += sure;
    return at_;
  }
  return at_;
}

void WordScanner::classify(size_t begin, size_t end) {
  const size_t size = end - begin, whole = size / 64, blocks = (size + 63) / 64;
  ascii_.resize(std::max(ascii_.size(), blocks));
  blocks_.resize(std::max(blocks_.size(), blocks + 1));
  starts_.resize(blocks_.size());
  const auto* bytes = reinterpret_cast<const unsigned char*>(text_.data()) + begin;
  const auto masks = kernels().ascii_masks;
  masks(bytes, whole, ascii_.data());
  if (whole < blocks) {
    // Never read behind the text's end.
    std::array<unsigned char, 64> rest{};
    std::memcpy(rest.data(), bytes + 64 * whole, size - 64 * whole);
    masks(rest.data(), 1, ascii_.data() + whole);
  }
  uint64_t high = 0;
  for (size_t b = 0; b < blocks; ++b) {
    const AsciiMasks& a = ascii_[b];
    blocks_[b] = {.letter = a.lower | a.upper,
                  .number = a.digit,
                  .white = a.white,
                  .other = 0,
                  .upper = a.upper,
                  .lower = a.lower,
                  .tail = 0};
    high |= a.high;
  }
  blocks_[blocks] = {};
  marks_.clear();
  if (high != 0) classify_wide(begin, end);
  blocks_[blocks] = {};
  for (size_t b = 0; b < blocks; ++b) {
    Block& x = blocks_[b];
    x.other = ~(x.letter | x.number | x.white);
  }
  if (whole < blocks) blocks_[whole].other &= (uint64_t{1} << (size - 64 * whole)) - 1;
  if (!marks_.empty()) place_marks();
}

// o200k counts combining marks to the letters, and to the others too: behind others that are more
// than a prefix of letters a mark goes on with them, anywhere else it is a letter without case.
void WordScanner::place_marks() {
  for (const uint32_t at : marks_) {
    const size_t behind = at + unit_at(text_, at_ + at).length;
    bool letters = true;
    if (at > 0 && is_other(at - 1)) {
      size_t previous = at - 1;
      while ((blocks_[previous >> 6].tail >> (previous & 63) & 1) != 0) --previous;
      if (previous > 0) {
        const char before = text_[at_ + previous - 1];
        letters = !is_other(previous - 1) && before != ' ';
        // Such a slash may belong to the newline in front of it.
        const bool slash = text_[at_ + previous] == '/';
        if (slash && (before == '\n' || before == '\r' || before == '/')) stop_ = Stop::pattern;
      }
    }
    for (size_t i = at; i < behind && i >> 6 < blocks_.size(); ++i) {
      set(&Block::other, i, letters ? 0 : 1);
      set(&Block::letter, i, letters ? 1 : 0);
    }
  }
}

// Most characters beyond ASCII are letters whose lead says so: they take no step of their own.
void WordScanner::classify_wide(size_t begin, size_t end) {
  const WordClasses& table = WordClasses::instance();
  const size_t size = end - begin, whole = size / 64, blocks = (size + 63) / 64;
  wide_.resize(std::max(wide_.size(), blocks + 1));
  wide_[blocks] = {};
  const auto* bytes = reinterpret_cast<const unsigned char*>(text_.data()) + begin;
  const auto masks = kernels().wide_masks;
  masks(bytes, whole, letter_leads_, letter_leads_by_second_, wide_.data());
  if (whole < blocks) {
    std::array<unsigned char, 64> rest{};
    std::memcpy(rest.data(), bytes + 64 * whole, size - 64 * whole);
    masks(rest.data(), 1, letter_leads_, letter_leads_by_second_, wide_.data() + whole);
  }
  uint8_t seen = 0;
  WideMasks before{};
  for (size_t b = 0, at = 0; b < blocks; ++b) {
    const WideMasks w = wide_[b];
    uint64_t high = ascii_[b].high;
    const auto behind = [&](uint64_t WideMasks::* mask, int by) {
      return w.*mask << by | before.*mask >> (64 - by);
    };
    const uint64_t tails = behind(&WideMasks::two, 1) | behind(&WideMasks::three, 1) |
                           behind(&WideMasks::four, 1) | behind(&WideMasks::three, 2) |
                           behind(&WideMasks::four, 2) | behind(&WideMasks::four, 3);
    if (tails == w.tail && high == (w.two | w.three | w.four | w.tail)) {
      // Characters that the next block ends take the other way.
      const uint64_t inside = (w.two & ~(uint64_t{1} << 63)) | (w.three & ~(uint64_t{3} << 62));
      const uint64_t upper_behind = w.upper_tail >> 1 | wide_[b + 1].upper_tail << 63;
      const uint64_t letters = inside & (w.in_first | (w.in_second & w.three & upper_behind));
      const uint64_t ends = letters << 1 | (letters & w.three) << 2;
      blocks_[b].letter |= letters | ends;
      blocks_[b].tail |= ends;
      high = (w.two | w.three | w.four) & ~letters;
      before = w;
      for (; high != 0; high &= high - 1) {
        seen |= classify_one(table, begin, b, static_cast<size_t>(std::countr_zero(high)), at);
      }
      continue;
    }
    before = w;
    if (at > 64 * b) high &= at - 64 * b < 64 ? ~uint64_t{0} << (at - 64 * b) : 0;
    while (high != 0) {
      const auto bit = static_cast<size_t>(std::countr_zero(high));
      seen |= classify_one(table, begin, b, bit, at);
      if (at >= 64 * (b + 1)) break;
      high &= ~uint64_t{0} << (at - 64 * b);
    }
  }
  if (composed_ && (seen & kLoose) != 0) stop_ = Stop::form;
}

// Puts the character at `bit` of block `b` in its classes; `at` becomes where it ends.
uint8_t WordScanner::classify_one(const WordClasses& table, size_t begin, size_t b, size_t bit,
                                  size_t& at) {
  const Unit unit = unit_at(text_, begin + 64 * b + bit);
  const uint8_t found = table[unit.code];
  const uint64_t bytes = (uint64_t{1} << unit.length) - 1;
  put(blocks_[b], bytes << bit, bytes << bit & bytes << bit << 1, found);
  if ((found & kMark) != 0 && rule_.kind == WordRule::Kind::o200k) {
    marks_.push_back(static_cast<uint32_t>(64 * b + bit));
  }
  if (bit + unit.length > 64) {
    // The empty block behind the last one is made empty again.
    const uint64_t spilled = bytes >> (64 - bit);
    put(blocks_[b + 1], spilled, spilled, found);
  }
  at = 64 * b + bit + unit.length;
  return found;
}

void WordScanner::put(Block& block, uint64_t bytes, uint64_t tail, uint8_t found) {
  const auto where = [&](uint8_t bit) { return (found & bit) != 0 ? bytes : 0; };
  block.letter |= where(kLetter);
  block.number |= where(kNumber);
  block.white |= where(kWhite);
  block.upper |= where(kUpper);
  block.lower |= where(kLower);
  block.tail |= tail;
}

template <WordRule::Kind kKind>
void WordScanner::mark(size_t blocks, bool at_end) {
  constexpr bool kGpt = kKind == WordRule::Kind::gpt2;
  constexpr bool kCase = kKind == WordRule::Kind::o200k;
  const bool digits_first = kGpt && rule_.digits == 1;
  Block before{};
  uint64_t newline_before = 0, space_before = 0, run_before = 0, swallowed_before = 0;
  // What contractions at a block's end say about the next block: where words start, and do not.
  uint64_t prefix_before = 0, forced = 0, denied = 0;
  int digits = 0;
  std::fill_n(starts_.begin(), blocks, 0);
  for (size_t b = 0; b < blocks; ++b) {
    Block& x = blocks_[b];
    const uint64_t newline = ascii_[b].newline, space = ascii_[b].space;
    const uint64_t denied_now = std::exchange(denied, 0);
    uint64_t starts = std::exchange(forced, 0), swallowed = 0;

    if constexpr (!kGpt) {
      const uint64_t through = kCase ? newline | ascii_[b].slash : newline;
      const uint64_t seeds =
          (newline & after(x.other, before.other)) | (through & swallowed_before >> 63);
      if (seeds != 0) swallowed = flood(seeds, through);
      x.other &= ~swallowed;
    }
    const uint64_t other_starts =
        x.other & ~after(x.other, before.other) & ~after(space, space_before);
    starts |= other_starts;

    if constexpr (kGpt) {
      const uint64_t free = ~after(space, space_before);
      starts |= x.letter & ~after(x.letter, before.letter) & free;
      if (rule_.digits == 0) starts |= x.number & ~after(x.number, before.number) & free;
    } else {
      uint64_t prefix = other_starts;
      if (x.tail != 0) {
        for (int i = 0; i < 3; ++i) prefix |= x.tail & x.other & after(prefix, prefix_before);
      }
      const uint64_t white = x.white & ~newline, white_before = before.white & ~newline_before;
      starts |= x.letter & ~after(x.letter, before.letter) & ~after(white, white_before) &
                ~after(prefix, prefix_before);
      if constexpr (kCase) starts |= x.upper & after(x.lower, before.lower);
      prefix_before = prefix;
    }

    if (!kGpt && rule_.digits == 0) {
      starts |= x.number & ~after(x.number, before.number);
    } else if (rule_.digits == 1) {
      starts |= x.number & ~x.tail;
    } else if (rule_.digits == 3 && x.number != 0) {
      starts |= number_starts(x, before.number, digits);
    }

    // White space: a run begins a word, and so does its last character when a word follows.
    const uint64_t run = x.white & ~swallowed;
    const Block& next = blocks_[b + 1];
    const uint64_t behind = x.white | (digits_first ? x.number : 0);
    const uint64_t next_behind = next.white | (digits_first ? next.number : 0);
    const uint64_t some = x.white | x.letter | x.number | x.other;
    const uint64_t next_some = next.white | next.letter | next.number | next.other;
    const uint64_t word_behind = (some >> 1 | next_some << 63) & ~(behind >> 1 | next_behind << 63);
    starts |= run & ~after(run, run_before);
    const uint64_t last = (kGpt ? run : run & ~newline) & word_behind;
    starts |= last & ~x.tail;
    for (uint64_t t = last & x.tail; t != 0; t &= t - 1) {
      start_of_character(64 * b + static_cast<size_t>(std::countr_zero(t)));
    }
    if constexpr (!kGpt) {
      // Behind a newline a stretch without one begins a word unless another newline ends it.
      uint64_t stretch =
          run & ~newline & after(newline & ~swallowed, newline_before & ~swallowed_before);
      for (; stretch != 0; stretch &= stretch - 1) {
        const uint64_t bit = stretch & (~stretch + 1);
        if (!newline_ends(b, bit, run & ~newline, newline)) starts |= bit;
      }
    }

    if constexpr (!kCase) {
      const bool any = rule_.contractions != WordRule::Contractions::none;
      for (uint64_t a = any ? ascii_[b].apostrophe & other_starts : 0; a != 0; a &= a - 1) {
        const auto bit = static_cast<size_t>(std::countr_zero(a));
        const size_t letters =
            contraction(text_.substr(at_ + 64 * b + bit + 1, 3), rule_.contractions);
        if (letters == 0) continue;
        const size_t end = bit + 1 + letters;
        if (bit < 63) {
          starts &= ~(uint64_t{2} << bit);
        } else {
          denied = 1;
        }
        (end < 64 ? starts : forced) |= uint64_t{1} << (end & 63);
      }
    }
    starts_[b] |= starts & ~denied_now;
    before = x;
    newline_before = newline;
    space_before = space;
    run_before = run;
    swallowed_before = swallowed;
  }
  const size_t size = std::min(text_.size() - at_, 64 * blocks);
  if (size < 64 * blocks) starts_[blocks - 1] &= (uint64_t{1} << (size & 63)) - 1;
  if constexpr (kCase) {
    attach_contractions(blocks, size);
    split_mixed_runs(blocks, size);
  }
  if (at_end && rule_.white_end) join_white_end(size);
}

// Starts among numbers when words hold at most three of them. `run`: numbers in the word that the
// block before ended in.
uint64_t WordScanner::number_starts(const Block& x, uint64_t number_before, int& run) {
  const uint64_t joined = x.number & after(x.number, number_before);
  const uint64_t four = joined & joined << 1 & joined << 2;
  const bool reaches = (x.number >> 63 | (number_before >> 63 & x.number)) != 0;
  if (four == 0 && x.tail == 0 && !reaches) return x.number & ~joined;
  uint64_t starts = 0;
  for (uint64_t n = x.number & ~x.tail; n != 0; n &= n - 1) {
    const uint64_t bit = n & (~n + 1);
    run = (joined & bit) != 0 ? run + 1 : 1;
    if (run == 4) run = 1;
    if (run == 1) starts |= bit;
  }
  return starts;
}

// Whether the stretch of `through` that begins at `bit` of block `b` ends before a newline.
bool WordScanner::newline_ends(size_t b, uint64_t bit, uint64_t through, uint64_t newline) const {
  uint64_t sum = 0;
  while (__builtin_add_overflow(through, bit, &sum)) {
    if (blocks_[++b].white == 0) return false;
    newline = ascii_[b].newline;
    through = blocks_[b].white & ~newline;
    bit = 1;
    if ((through & 1) == 0) return (newline & 1) != 0;
  }
  const uint64_t end = sum & ~through;
  return (end & newline & (~end + 1)) != 0;
}

void WordScanner::start_of_character(size_t at) {
  while ((blocks_[at >> 6].tail >> (at & 63) & 1) != 0) --at;
  starts_[at >> 6] |= uint64_t{1} << (at & 63);
}

// o200k: a contraction behind a letter belongs to the letter's word, and ends it.
void WordScanner::attach_contractions(size_t blocks, size_t size) {
  forced_.assign(blocks + 1, 0);
  if (rule_.contractions == WordRule::Contractions::none) return;
  uint64_t letter_before = 0;
  for (size_t b = 0; b < blocks; ++b) {
    uint64_t a = ascii_[b].apostrophe & after(blocks_[b].letter, letter_before);
    letter_before = blocks_[b].letter;
    for (; a != 0; a &= a - 1) {
      const size_t at = 64 * b + static_cast<size_t>(std::countr_zero(a));
      if (is(forced_, at)) continue;
      const size_t letters = contraction(text_.substr(at_ + at + 1, 3), rule_.contractions);
      if (letters == 0) continue;
      const size_t end = at + 1 + letters;
      for (size_t i = at; i < std::min(end, size); ++i) {
        starts_[i >> 6] &= ~(uint64_t{1} << (i & 63));
      }
      if (end >= size) continue;
      starts_[end >> 6] |= uint64_t{1} << (end & 63);
      forced_[end >> 6] |= uint64_t{1} << (end & 63);
    }
  }
}

// o200k: letters without case in front of capitals. Whether a word ends between them is known only
// from what follows: letters are taken as upper case while possible, and given back from the end
// until one that can be lower case remains.
void WordScanner::split_mixed_runs(size_t blocks, size_t size) {
  size_t done = 0;
  Block before{};
  for (size_t b = 0; b < blocks; ++b) {
    const Block& x = blocks_[b];
    const uint64_t both = x.letter & ~x.upper & ~x.lower;
    const uint64_t both_before = before.letter & ~before.upper & ~before.lower;
    for (uint64_t m = x.upper & after(both, both_before); m != 0; m &= m - 1) {
      const size_t at = 64 * b + static_cast<size_t>(std::countr_zero(m));
      if (at < done) continue;
      size_t first = at;
      while (first > 0 && letter(first - 1) && !is(forced_, first)) --first;
      size_t end = at;
      while (end < size && letter(end)) ++end;
      split_mixed_run(first, end);
      done = end;
    }
    before = x;
  }
}

void WordScanner::split_mixed_run(size_t first, size_t end) {
  const auto behind = [&](size_t at) {
    do ++at;
    while (at < end && (blocks_[at >> 6].tail >> (at & 63) & 1) != 0);
    return at;
  };
  const auto bit = [&](uint64_t Block::* mask, size_t at) {
    return (blocks_[at >> 6].*mask >> (at & 63) & 1) != 0;
  };
  for (size_t i = first + 1; i < end; ++i) starts_[i >> 6] &= ~(uint64_t{1} << (i & 63));
  for (size_t word = first; word < end;) {
    size_t at = word, last_lower = 0;
    for (; at < end && !bit(&Block::lower, at); at = behind(at)) {
      if (!bit(&Block::upper, at)) last_lower = behind(at);
    }
    if (at < end) {
      while (at < end && !bit(&Block::upper, at)) at = behind(at);
    } else if (last_lower != 0) {
      at = last_lower;
    }
    if (at < end) starts_[at >> 6] |= uint64_t{1} << (at & 63);
    word = at;
  }
}

// The white space that ends the text is one word.
void WordScanner::join_white_end(size_t size) {
  size_t run = size;
  while (run > 0 && is_white(run - 1)) --run;
  while (run < size && !is(starts_, run)) ++run;
  for (size_t i = run + 1; i < size; ++i) starts_[i >> 6] &= ~(uint64_t{1} << (i & 63));
}

// The last start that later text cannot move; 0: none but the first.
size_t WordScanner::last_sure_start(size_t blocks) const {
  size_t most = 64 * blocks - 1;
  if (rule_.kind == WordRule::Kind::o200k) {
    while (most > 0 && letter(most)) --most;
  }
  for (size_t b = most / 64 + 1; b-- > 0;) {
    uint64_t starts = starts_[b] & ~blocks_[b].white;
    if (b == most / 64 && (most & 63) != 63) starts &= (uint64_t{2} << (most & 63)) - 1;
    if (starts != 0) return 64 * b + 63 - static_cast<size_t>(std::countl_zero(starts));
  }
  return 0;
}

// Appends the starts below `sure`.
void WordScanner::give(size_t sure, std::vector<uint32_t>& out) {
  const size_t blocks = (sure + 63) / 64;
  if ((sure & 63) != 0) starts_[blocks - 1] &= (uint64_t{1} << (sure & 63)) - 1;
  const size_t held = out.size();
  out.resize(held + 64 * blocks + 16);
  const size_t count =
      kernels().positions(starts_.data(), blocks, static_cast<uint32_t>(at_), out.data() + held);
  out.resize(held + count);
}

}  // namespace tessera
