#include <algorithm>
#include <utility>

#include "tessera/text/utf8.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_control)
    : tokenizer_(std::move(tokenizer)), skip_control_(skip_control) {}

// The window holds the last token that gave text, because what follows a text decodes otherwise
// than what begins one, and the tokens whose text is not given out yet.
std::string StreamDecoder::push(TokenId id) {
  ids_.push_back(id);
  if (!tokenizer_->decodes_locally()) {
    if (id < 0 || id >= tokenizer_->vocabulary().size()) tokenizer_->decode({&id, 1});
    return "";
  }
  std::string text;
  try {
    text = tokenizer_->decode(ids_, skip_control_);
  } catch (...) {
    ids_.pop_back();
    throw;
  }
  size_t whole = text.size() - incomplete_tail(text);
  if (whole < given_) whole = given_;
  std::string piece = text.substr(given_, whole - given_);
  given_ = whole;
  // Nothing is held back: the fewest last tokens that give text are window enough.
  for (size_t keep = 1; given_ == text.size() && keep < ids_.size() && keep <= 16; keep *= 2) {
    std::span<const TokenId> last(ids_.end() - static_cast<ptrdiff_t>(keep), ids_.end());
    std::string known = tokenizer_->decode(last, skip_control_);
    if (known.empty()) continue;
    ids_.erase(ids_.begin(), ids_.end() - static_cast<ptrdiff_t>(keep));
    given_ = known.size();
    return piece;
  }
  // A token without text changes nothing for those behind it.
  if (piece.empty() && given_ == text.size() && given_ > 0) ids_.pop_back();
  return piece;
}

std::string StreamDecoder::finish() {
  std::string text = tokenizer_->decode(ids_, skip_control_);
  std::string rest = text.substr(std::min(given_, text.size()));
  ids_.clear();
  given_ = 0;
  return rest;
}

}  // namespace tessera
