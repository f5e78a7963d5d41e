#include "tessera/text/aligned_text.h"

#include <limits>

#include "tessera/base/error.h"

namespace tessera {

AlignedText::AlignedText(const AlignedText& whole, ByteRange part)
    : view_(whole.view_), base_(whole.base_), changed_(whole.changed_) {
  if (!changed_) {
    view_ = view_.substr(part.begin, part.size());
    base_ += static_cast<int64_t>(part.begin);
    return;
  }
  auto cut = [&](const std::vector<uint32_t>& from) {
    return std::vector<uint32_t>(from.begin() + static_cast<ptrdiff_t>(part.begin),
                                 from.begin() + static_cast<ptrdiff_t>(part.end));
  };
  owned_ = whole.owned_.substr(part.begin, part.size());
  begins_ = cut(whole.begins_);
  ends_ = cut(whole.ends_);
  last_ = ends_.empty() ? static_cast<uint32_t>(whole.begin_of(part.begin) - base_) : ends_.back();
}

AlignedBuilder::AlignedBuilder(const AlignedText& from) : from_(from), next_(std::string_view()) {
  if (from.text().size() >= std::numeric_limits<uint32_t>::max()) {
    throw Error("", "a text of 4 GiB or more has to be normalised", "Cut it into lines or files.");
  }
  next_.base_ = from.base_;
  next_.changed_ = true;
  next_.last_ = from.changed_ ? from.last_ : static_cast<uint32_t>(from.view_.size());
  next_.owned_.reserve(from.text().size() + 16);
  next_.begins_.reserve(from.text().size() + 16);
  next_.ends_.reserve(from.text().size() + 16);
}

void AlignedBuilder::keep(ByteRange part) {
  next_.owned_.append(from_.text().substr(part.begin, part.size()));
  if (from_.changed_) {
    auto copy = [&](std::vector<uint32_t>& to, const std::vector<uint32_t>& source) {
      to.insert(to.end(), source.begin() + static_cast<ptrdiff_t>(part.begin),
                source.begin() + static_cast<ptrdiff_t>(part.end));
    };
    copy(next_.begins_, from_.begins_);
    copy(next_.ends_, from_.ends_);
    return;
  }
  for (size_t i = part.begin; i < part.end; ++i) {
    next_.begins_.push_back(static_cast<uint32_t>(i));
    next_.ends_.push_back(static_cast<uint32_t>(i + 1));
  }
}

void AlignedBuilder::put(std::string_view text, ByteRange part) {
  auto begin = static_cast<uint32_t>(from_.begin_of(part.begin) - from_.base_);
  uint32_t end = begin;
  if (part.size() > 0) end = static_cast<uint32_t>(from_.end_of(part.end - 1) - from_.base_);
  next_.owned_.append(text);
  next_.begins_.insert(next_.begins_.end(), text.size(), begin);
  next_.ends_.insert(next_.ends_.end(), text.size(), end);
}

}  // namespace tessera
