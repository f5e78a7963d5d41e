// The number of tokens of a text that grows and changes, and texts cut by it.
//
// Both rest on seams (Tokenizer::seam): places where the two sides are encoded apart, so that the
// numbers of tokens of the stretches between seams add up to that of the text, exactly.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// Which tokens count.
struct CountOptions {
  bool add_template = false;     // those that the file's template puts around a text
  bool special_in_text = false;  // as in EncodeOptions
};

// A text and the number of its tokens, always that of a full encode.
//
// Cost: appending and counting, in steps of any size, encodes each byte a bounded number of times.
// Another change encodes what it brings and the stretches that it touches, some 4 KiB each, and
// passes over one entry a stretch. Where a text has no seams for long (a tokenizer may have none at
// all, see Tokenizer::has_seams), its stretches are as long. One thread at a time.
class TokenCounter {
 public:
  explicit TokenCounter(std::shared_ptr<const Tokenizer> tokenizer, CountOptions options = {});

  int64_t count();
  // Tokens of a part as a text of its own. Needs begin <= end <= size().
  int64_t count(size_t begin, size_t end);
  size_t size() const { return size_; }
  std::string text() const;

  void append(std::string_view text);
  // `with` in place of `length` bytes from byte `begin` on. Needs begin + length <= size().
  void replace(size_t begin, size_t length, std::string_view with);
  // The other text behind this one. Its stretches are kept, only those that meet are counted again.
  void append(const TokenCounter& other);

 private:
  // Bytes between two seams; `tokens` are those it adds to what stands in front of it.
  struct Stretch {
    std::string text;
    int64_t tokens = 0;
  };

  int64_t added_by(std::string_view text, std::string_view front);
  std::string_view front_of(size_t stretch) const;
  size_t find(size_t byte, size_t& begin) const;
  void cut(std::string_view text, std::string front, std::vector<Stretch>& out);
  void put(size_t first, size_t last, std::string_view text);
  void settle();
  void close_tail();

  std::shared_ptr<const Tokenizer> tokenizer_;
  EncodeOptions options_;
  int64_t around_ = 0;   // tokens of the template
  int64_t settled_ = 0;  // tokens of all stretches
  size_t size_ = 0;
  std::vector<Stretch> stretches_;
  // What was appended last: behind a seam, or the whole text.
  std::string tail_;
  size_t searched_ = 0;      // no seam lies in front of this byte of the tail
  int64_t tail_tokens_ = 0;  // -1: not counted yet
  std::string joined_;
  IdBuffer ids_;
};

// Cuts a text into pieces of at most `most` tokens each, template included, every piece encoded as
// a text of its own, at borders between characters. No piece is needlessly short: with its next
// character it would have more. Throws Error naming the byte of a character that alone has more.
std::vector<ByteSpan> split_by_tokens(const Tokenizer& tokenizer, std::string_view text,
                                      int64_t most, CountOptions options = {});

}  // namespace tessera
