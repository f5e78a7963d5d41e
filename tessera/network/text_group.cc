#include "tessera/network/text_group.h"

#include <utility>

namespace tessera {
namespace {

constexpr int64_t kEnough = 512;  // tokens of a pass

}  // namespace

void TextGroup::add(std::vector<int32_t> ids) {
  tokens_ += static_cast<int64_t>(ids.size());
  texts_.push_back(std::move(ids));
}

bool TextGroup::full() const { return tokens_ >= kEnough; }

void TextGroup::clear() {
  texts_.clear();
  tokens_ = 0;
}

}  // namespace tessera
