// From texts to the words (pre-tokens) that a trainer counts, as the tokenizer that comes of it
// will cut them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/parts.h"
#include "tessera/tokenizer/train/training_texts.h"

namespace tessera {

// The parts of a tokenizer.json around its model, as JSON; "null" where there is none.
struct CuttingParts {
  std::string normaliser = "null", pre_tokenizer = "null", decoder = "null";
};

// The parts that a name stands for: gpt2, cl100k, o200k (patterns, then bytes), bytes (no
// splitting), whitespace, bert, metaspace, none. Throws Error with what there is.
CuttingParts cutting_named(std::string_view pre_tokenizer);
// `pattern` isolates its matches, which are then read by bytes.
CuttingParts cutting_by(std::string_view pattern);
// The JSON of a normaliser: none, nfc, nfd, nfkc, nfkd, lowercase, bert, bert-cased. Throws Error.
std::string normaliser_named(std::string_view name);

// Not for use by several threads at once; they make one each.
class TextCutter {
 public:
  // Called with every word; bytes behind it up to TextBlock::kPadding may be read.
  using WordSink = std::function<void(std::string_view)>;

  // Throws Error for parts that no tokenizer could have.
  explicit TextCutter(const CuttingParts& parts);
  ~TextCutter();
  TextCutter(TextCutter&&) noexcept;

  // How the bytes of a word are read.
  Reading reading() const { return reading_; }
  // The words of all texts of `block` are given to take(begin, size).
  template <class Take>
  void cut(const TextBlock& block, const Take& take);
  // Where a text that is too long can be cut without changing a word; else in front of its last
  // character.
  size_t place_to_cut(std::string_view text) const;

 private:
  struct Parts;
  // Puts the next words' starts into starts_, none at the text's end; gives the end of the last
  // one.
  size_t next_words();
  void begin_fast(std::string_view text);
  void cut_slowly(std::string_view text, const std::function<void(std::string_view)>& take);
  bool white_before(std::string_view text, size_t at) const;

  std::unique_ptr<Parts> parts_;
  Reading reading_ = Reading::utf8;
  enum class Way : uint8_t {
    blocks,  // lines at once, by the scanner
    texts,   // one text after another, by the scanner
    parts,   // as the parts say
  } way_ = Way::parts;
  std::vector<uint32_t> starts_;
};

template <class Take>
void TextCutter::cut(const TextBlock& block, const Take& take) {
  const auto scan = [&](std::string_view text, bool lines) {
    begin_fast(text);
    // With many lines in one scan: a line's end also ends its last word, and belongs to the white
    // space in front of it, as it would if the line were all there is.
    size_t newline = lines ? text.find('\n') : std::string_view::npos, done = 0;
    while (true) {
      const size_t last = next_words();
      for (size_t i = 0; i < starts_.size(); ++i) {
        size_t begin = std::max<size_t>(starts_[i], done);
        size_t end = i + 1 < starts_.size() ? starts_[i + 1] : last;
        if (begin >= end) continue;
        if (lines && end < text.size() && text[end] == '\n' && white_before(text, end)) ++end;
        while (newline < end) {
          take(text.data() + begin, newline + 1 - begin);
          begin = newline + 1;
          newline = text.find('\n', begin);
        }
        if (begin < end) take(text.data() + begin, end - begin);
        done = end;
      }
      if (starts_.empty()) break;
    }
  };
  // Of cl100k's newlines behind punctuation a line that begins with \r would lose that one.
  const bool together = way_ == Way::blocks && block.by_lines() &&
                        block.bytes().find("\n\r") == std::string_view::npos;
  if (together) return scan(block.bytes(), true);
  if (way_ == Way::parts) {
    return block.each_text([&](std::string_view text) {
      cut_slowly(text, [&](std::string_view word) { take(word.data(), word.size()); });
    });
  }
  block.each_text([&](std::string_view text) { scan(text, false); });
}

}  // namespace tessera
