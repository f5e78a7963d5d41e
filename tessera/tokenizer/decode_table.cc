#include "tessera/tokenizer/decode_table.h"

#include <array>
#include <cstring>

#include <fmt/format.h>

#include "tessera/base/error.h"

namespace tessera {

void refuse_token(TokenId id, int64_t size) {
  throw Error(fmt::format("token {}", id),
              fmt::format("the vocabulary has {} ids, from 0 on", size));
}

DecodeTable::DecodeTable(const Vocabulary& vocabulary, const Decoder* decoder,
                         const std::function<bool(TokenId)>& control)
    : entries_(static_cast<size_t>(vocabulary.size())), decoder_(decoder) {
  std::string text;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    Entry& entry = entries_[static_cast<size_t>(id)];
    text = decoder || control(id) ? vocabulary.piece(id) : vocabulary.bytes(id);
    if (decoder) decoder->apply_piece(text);
    const bool is_control = control(id);
    if (!is_control && text.size() <= kShort) {
      std::memcpy(entry.bytes, text.data(), text.size());
      entry.size = static_cast<uint8_t>(text.size());
      continue;
    }
    entry.size = is_control ? kControl : kLong;
    const auto place = static_cast<uint32_t>(others_.size());
    std::memcpy(entry.bytes, &place, sizeof place);
    others_.push_back(text);
  }
}

std::string DecodeTable::decode(std::span<const TokenId> ids, bool skip_control) const {
  constexpr size_t kBlock = 4096;
  std::array<char, kBlock + kShort + 1> block;
  std::string text;
  text.reserve(4 * ids.size());
  size_t used = 0;
  for (const TokenId id : ids) {
    if (static_cast<uint64_t>(id) >= entries_.size()) {
      refuse_token(id, static_cast<int64_t>(entries_.size()));
    }
    const Entry& entry = entries_[static_cast<size_t>(id)];
    if (entry.size <= kShort) {
      std::memcpy(block.data() + used, &entry, sizeof entry);
      used += entry.size;
      if (used <= kBlock) continue;
    }
    text.append(block.data(), used);
    used = 0;
    if (entry.size <= kShort || (skip_control && entry.size == kControl)) continue;
    uint32_t place;
    std::memcpy(&place, entry.bytes, sizeof place);
    text += others_[place];
  }
  text.append(block.data(), used);
  if (decoder_) decoder_->apply_joined(text);
  return text;
}

}  // namespace tessera
