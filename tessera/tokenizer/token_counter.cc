#include "tessera/tokenizer/token_counter.h"

#include <algorithm>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/seams.h"

namespace tessera {
namespace {

constexpr size_t kStretch = 4096;  // bytes from which on a stretch ends at the next seam
constexpr size_t kTail = 128;      // bytes that are encoded again with every count
constexpr size_t kCharacter = 4;   // a change this near to a seam can change its neighbours

EncodeOptions encode_options(const CountOptions& options) {
  EncodeOptions out;
  out.add_template = false;
  out.special_in_text = options.special_in_text;
  return out;
}

int64_t template_tokens(const Tokenizer& tokenizer, const CountOptions& options) {
  return options.add_template ? tokenizer.count("") : 0;
}

// The border between characters at byte `at` or the next one in front of it.
size_t border_at(std::string_view text, size_t at) {
  for (size_t back = 1; back <= 3 && back <= at && at < text.size(); ++back) {
    if (unit_at(text, at - back).length > back) return at - back;
  }
  return at;
}

// Counts the tokens that a stretch behind a seam adds.
class Adder {
 public:
  Adder(const Tokenizer& tokenizer, const EncodeOptions& options, std::string& joined,
        IdBuffer& ids)
      : tokenizer_(tokenizer), options_(options), joined_(joined), ids_(ids) {}

  int64_t count(std::string_view text) {
    ids_.clear();
    tokenizer_.encode_ids(text, options_, ids_);
    return static_cast<int64_t>(ids_.size());
  }
  // `front`: the character in front of the seam; empty: `text` begins a text.
  int64_t added(std::string_view text, std::string_view front) {
    if (front.empty() || text.empty()) return count(text);
    joined_.assign(front);
    joined_.append(text);
    return count(joined_) - count(front);
  }

 private:
  const Tokenizer& tokenizer_;
  const EncodeOptions& options_;
  std::string& joined_;
  IdBuffer& ids_;
};

}  // namespace

TokenCounter::TokenCounter(std::shared_ptr<const Tokenizer> tokenizer, CountOptions options)
    : tokenizer_(std::move(tokenizer)),
      options_(encode_options(options)),
      around_(template_tokens(*tokenizer_, options)) {}

int64_t TokenCounter::added_by(std::string_view text, std::string_view front) {
  return Adder(*tokenizer_, options_, joined_, ids_).added(text, front);
}

// The character in front of a stretch, or of the tail.
std::string_view TokenCounter::front_of(size_t stretch) const {
  return stretch == 0 ? std::string_view() : last_character(stretches_[stretch - 1].text);
}

int64_t TokenCounter::count() {
  settle();
  if (tail_tokens_ < 0) tail_tokens_ = added_by(tail_, front_of(stretches_.size()));
  return around_ + settled_ + tail_tokens_;
}

std::string TokenCounter::text() const {
  std::string out;
  out.reserve(size_);
  for (const Stretch& s : stretches_) out += s.text;
  return out + tail_;
}

void TokenCounter::append(std::string_view text) {
  if (text.empty()) return;
  // Behind a closed tail there need be no seam.
  if (tail_.empty() && !stretches_.empty()) {
    tail_ = std::move(stretches_.back().text);
    settled_ -= stretches_.back().tokens;
    stretches_.pop_back();
    searched_ = 0;
  }
  tail_ += text;
  size_ += text.size();
  tail_tokens_ = -1;
}

// Moves what stands before the tail's last seam into stretches.
void TokenCounter::settle() {
  if (tail_.size() <= kTail) return;
  const size_t seam =
      last_seam(*tokenizer_, tail_, searched_, tail_.size(), tail_.size() - searched_);
  if (seam == searched_) {
    // The last character may not be whole yet.
    searched_ = tail_.size() - std::min(tail_.size(), kCharacter);
    return;
  }
  std::string rest = tail_.substr(seam);
  tail_.resize(seam);
  std::string front(front_of(stretches_.size()));
  if (tail_.size() < kStretch && !stretches_.empty() && stretches_.back().text.size() < kStretch) {
    const int64_t tokens = added_by(tail_, front);
    stretches_.back().text += tail_;
    stretches_.back().tokens += tokens;
    settled_ += tokens;
  } else {
    const size_t before = stretches_.size();
    cut(tail_, std::move(front), stretches_);
    for (size_t i = before; i < stretches_.size(); ++i) settled_ += stretches_[i].tokens;
  }
  tail_ = std::move(rest);
  searched_ = 0;
  tail_tokens_ = -1;
}

void TokenCounter::close_tail() {
  count();
  if (tail_.empty()) return;
  stretches_.push_back({std::move(tail_), tail_tokens_});
  settled_ += tail_tokens_;
  tail_.clear();
  searched_ = 0;
  tail_tokens_ = 0;
}

// Appends the stretches of a text behind a seam that `front` stands before.
void TokenCounter::cut(std::string_view all, std::string front, std::vector<Stretch>& out) {
  for (size_t begin = 0; begin < all.size();) {
    size_t end = std::min(all.size(), begin + kStretch);
    while (end < all.size() && !tokenizer_->seam(all, end)) ++end;
    const std::string_view part = all.substr(begin, end - begin);
    out.push_back({std::string(part), added_by(part, front)});
    front = last_character(part);
    begin = end;
  }
}

// The stretch that holds a byte, the last one for the text's end, and where it begins. Needs a
// closed tail and a text that is not empty.
size_t TokenCounter::find(size_t byte, size_t& begin) const {
  begin = 0;
  for (size_t i = 0;; ++i) {
    const size_t size = stretches_[i].text.size();
    if (byte < begin + size || i + 1 == stretches_.size()) return i;
    begin += size;
  }
}

// `text` in place of the stretches [first, last].
void TokenCounter::put(size_t first, size_t last, std::string_view text) {
  std::vector<Stretch> fresh;
  cut(text, std::string(front_of(first)), fresh);
  const auto from = stretches_.begin() + static_cast<ptrdiff_t>(first);
  const auto to = stretches_.begin() + static_cast<ptrdiff_t>(last) + 1;
  for (auto it = from; it != to; ++it) settled_ -= it->tokens;
  for (const Stretch& s : fresh) settled_ += s.tokens;
  const auto at = stretches_.erase(from, to);
  stretches_.insert(at, std::make_move_iterator(fresh.begin()),
                    std::make_move_iterator(fresh.end()));
}

void TokenCounter::replace(size_t begin, size_t length, std::string_view with) {
  if (begin == size_) return append(with);
  close_tail();
  size_t first_begin = 0, last_begin = 0;
  size_t first = find(begin, first_begin);
  size_t last = find(begin + length, last_begin);
  size_ = size_ - length + with.size();
  // The seams that stay must keep their neighbours.
  if (begin - first_begin < kCharacter && first > 0) {
    first_begin -= stretches_[--first].text.size();
  }
  if (last_begin + stretches_[last].text.size() - (begin + length) < kCharacter &&
      last + 1 < stretches_.size()) {
    ++last;
  }
  std::string text;
  for (size_t i = first; i <= last; ++i) text += stretches_[i].text;
  text.replace(begin - first_begin, length, with);
  put(first, last, text);
}

void TokenCounter::append(const TokenCounter& other) {
  if (&other == this) return append(std::string(text()));
  close_tail();
  if (other.stretches_.empty()) return append(other.tail_);
  size_t met = 1;
  std::string text = other.stretches_[0].text;
  if (text.size() < kCharacter && other.stretches_.size() > 1) text += other.stretches_[met++].text;
  for (size_t i = 0; i < other.stretches_.size(); ++i) size_ += other.stretches_[i].text.size();
  if (stretches_.empty()) stretches_.emplace_back();
  put(stretches_.size() - 1, stretches_.size() - 1, stretches_.back().text + text);
  for (; met < other.stretches_.size(); ++met) {
    stretches_.push_back(other.stretches_[met]);
    settled_ += other.stretches_[met].tokens;
  }
  append(other.tail_);
}

int64_t TokenCounter::count(size_t begin, size_t end) {
  if (begin == 0 && end == size_) return count();
  if (begin == end) return around_;
  close_tail();
  size_t first_begin = 0, last_begin = 0;
  const size_t first = find(begin, first_begin);
  const size_t last = find(end - 1, last_begin);
  // The seams in use must have whole characters on both sides.
  size_t first_end = first, last_start = last;
  if (first_begin + stretches_[first].text.size() - begin < kCharacter) ++first_end;
  if (end - last_begin < kCharacter && last > 0) --last_start;
  if (last_start <= first_end) {
    std::string text;
    for (size_t i = first; i <= last; ++i) text += stretches_[i].text;
    return around_ + added_by(std::string_view(text).substr(begin - first_begin, end - begin), {});
  }
  std::string text;
  for (size_t i = first; i <= first_end; ++i) text += stretches_[i].text;
  int64_t tokens = around_ + added_by(std::string_view(text).substr(begin - first_begin), {});
  for (size_t i = first_end + 1; i < last_start; ++i) tokens += stretches_[i].tokens;
  text.clear();
  for (size_t i = last_start; i < last; ++i) text += stretches_[i].text;
  text += std::string_view(stretches_[last].text).substr(0, end - last_begin);
  return tokens + added_by(text, front_of(last_start));
}

std::vector<ByteSpan> split_by_tokens(const Tokenizer& tokenizer, std::string_view text,
                                      int64_t most, CountOptions options) {
  const EncodeOptions encode = encode_options(options);
  const int64_t room = most - template_tokens(tokenizer, options);
  if (room < 1) {
    throw Error("", "pieces of " + std::to_string(most) + " tokens leave no room for text",
                "Ask for more, or leave out the template.");
  }
  std::string joined;
  IdBuffer ids;
  Adder adder(tokenizer, encode, joined, ids);
  std::vector<ByteSpan> out;
  size_t step = static_cast<size_t>(std::min<int64_t>(room, int64_t{1} << 40)) * 4;
  for (size_t begin = 0; begin < text.size();) {
    // `low` bytes fit, up to `high` they do not; from `seam` on is encoded again.
    size_t low = begin, high = text.size() + 1, seam = begin, stride = step;
    int64_t before = 0;
    while (low < text.size()) {
      size_t at = high > text.size() ? std::min(text.size(), low + stride) : low + (high - low) / 2;
      at = border_at(text, at);
      if (at <= low) at = low + unit_at(text, low).length;
      if (at >= high) break;
      const std::string_view front =
          seam == begin ? std::string_view() : last_character(text.substr(begin, seam - begin));
      if (before + adder.added(text.substr(seam, at - seam), front) > room) {
        high = at;
        continue;
      }
      low = at;
      stride *= 2;
      const size_t next = last_seam(tokenizer, text, seam, at, kStretch);
      if (next > seam) {
        before += adder.added(text.substr(seam, next - seam), front);
        seam = next;
      }
    }
    if (low == begin) {
      throw Error("byte " + std::to_string(begin),
                  "the character alone has more than " + std::to_string(room) + " tokens",
                  "Ask for longer pieces.");
    }
    out.push_back({static_cast<int64_t>(begin), static_cast<int64_t>(low)});
    step = std::max<size_t>(low - begin, 1);
    begin = low;
  }
  return out;
}

}  // namespace tessera
