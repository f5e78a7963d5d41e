// Text that was changed on its way to the model, and that still knows from which bytes of the
// original each of its bytes came.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// Half-open range of bytes.
struct ByteRange {
  size_t begin = 0, end = 0;
  size_t size() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

// Unchanged text is a view and needs no map; changed text owns its bytes and two 32-bit offsets a
// byte.
class AlignedText {
 public:
  // The text itself, at byte `offset` of the original. `text` must outlive this object.
  explicit AlignedText(std::string_view text, int64_t offset = 0) : view_(text), base_(offset) {}
  // A part of another text, which must outlive this object unless it was changed.
  AlignedText(const AlignedText& whole, ByteRange part);

  std::string_view text() const { return changed_ ? std::string_view(owned_) : view_; }
  // Bytes of the original that text()[range] stands for. Empty for an empty range.
  int64_t begin_of(size_t byte) const {
    if (!changed_) return base_ + static_cast<int64_t>(byte);
    return base_ + (byte < begins_.size() ? begins_[byte] : last_);
  }
  int64_t end_of(size_t byte) const {
    return changed_ ? base_ + ends_[byte] : base_ + static_cast<int64_t>(byte) + 1;
  }
  bool changed() const { return changed_; }

 private:
  friend class AlignedBuilder;
  std::string_view view_;
  int64_t base_ = 0;
  bool changed_ = false;
  std::string owned_;
  std::vector<uint32_t> begins_, ends_;
  uint32_t last_ = 0;  // end of the original
};

// Builds the next version of a text from left to right.
class AlignedBuilder {
 public:
  // Throws Error when `from` is changed text, or to be changed, of 4 GiB or more.
  explicit AlignedBuilder(const AlignedText& from);
  // Bytes that stay as they are.
  void keep(ByteRange part);
  // `text` in place of the bytes `part` of the previous version; an empty part: inserted there.
  void put(std::string_view text, ByteRange part);
  AlignedText finish() { return std::move(next_); }

 private:
  const AlignedText& from_;
  AlignedText next_;
};

}  // namespace tessera
