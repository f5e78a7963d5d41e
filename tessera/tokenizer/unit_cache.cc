#include "tessera/tokenizer/unit_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

uint64_t load8(const char* p) {
  uint64_t out = 0;
  std::memcpy(&out, p, sizeof out);
  return out;
}

// Up to 16 bytes of which no more than `length` may be read.
void load_within(const char* p, size_t length, uint64_t& low, uint64_t& high) {
  std::array<char, 16> bytes{};
  std::memcpy(bytes.data(), p, std::min<size_t>(length, 16));
  low = load8(bytes.data());
  high = load8(bytes.data() + 8);
}

// The mark of parts of words.
constexpr uint32_t kPart = 0x80;
// Values that hold a place: this in the top four bits, the number of ids in the next 20.
constexpr uint64_t kListed = 14;

}  // namespace

UnitCache::UnitCache() {
  constexpr size_t kShorts = sizeof(ShortSet) << kShortBits, kMediums = sizeof(MediumSet)
                                                                        << kMediumBits;
  constexpr size_t kLongs = sizeof(LongSet) << kLongBits, kIdBytes = kIds * sizeof(TokenId);
  memory_ = BigBuffer(static_cast<int64_t>(kShorts + kMediums + kLongs + kIdBytes + kBytes));
  std::byte* at = memory_.data();
  const auto take = [&at](size_t bytes) { return std::exchange(at, at + bytes); };
  // Zeros are keys of no unit, since every key holds a length.
  shorts_ = reinterpret_cast<ShortSet*>(take(kShorts));
  mediums_ = reinterpret_cast<MediumSet*>(take(kMediums));
  longs_ = reinterpret_cast<LongSet*>(take(kLongs));
  ids_ = reinterpret_cast<TokenId*>(take(kIdBytes));
  bytes_ = reinterpret_cast<char*>(take(kBytes));
}

void UnitCache::find(std::string_view text, const char* readable, const uint32_t* starts, size_t n,
                     Value* values) const {
  UnitBatch batch;
  batch.text = text.data();
  batch.starts = starts;
  if (readable - text.data() < starts[n] + 16) [[unlikely]] {
    // One by one, so that nothing is read behind the text's end.
    for (size_t i = 0; i < n; ++i) {
      values[i] = find(text.substr(starts[i], starts[i + 1] - starts[i]), false);
    }
    return;
  }
  const Kernels& k = kernels();
  k.sort_units(batch, n);
  k.find_units(batch, shorts_, kShortBits, mediums_, kMediumBits, values);
  for (size_t l = 0; l < batch.long_count; ++l) {
    const size_t i = batch.longs[l];
    values[i] = find_long(text.substr(starts[i], starts[i + 1] - starts[i]), false);
  }
}

UnitCache::Value UnitCache::find(std::string_view unit, bool part) const {
  if (unit.size() > kMediumUnit) return find_long(unit, part);
  uint64_t low = 0, high = 0;
  load_within(unit.data(), unit.size(), low, high);
  const auto length = static_cast<uint32_t>(unit.size());
  if (length <= kShortUnit) {
    const uint64_t key = short_key(low, length, part ? kPart : 0);
    const ShortSet& set = shorts_[short_place(key, kShortBits)];
    for (size_t w = 0; w < kUnitWays; ++w) {
      if (set.keys[w] == key) return set.values[w];
    }
    return kUnknown;
  }
  const MediumKey key = medium_key(low, high, length, part ? kPart : 0);
  const MediumSet& set = mediums_[medium_place(key, kMediumBits)];
  for (size_t w = 0; w < kUnitWays; ++w) {
    if (set.keys[w].low == key.low && set.keys[w].high == key.high) return set.values[w];
  }
  return kUnknown;
}

uint64_t UnitCache::long_hash(std::string_view unit, bool part) {
  uint64_t hash = unit.size() + (part ? 0x8000 : 0);
  for (size_t i = 0; i + 8 <= unit.size(); i += 8) {
    hash = (hash ^ load8(unit.data() + i)) * kUnitFactor;
    hash ^= hash >> 29;
  }
  // The last eight bytes, some of them for the second time: a unit is no shorter than that.
  hash = (hash ^ load8(unit.data() + unit.size() - 8)) * kUnitFactor2;
  return (hash ^ hash >> 32) | 1;
}

UnitCache::Value UnitCache::find_long(std::string_view unit, bool part) const {
  if (unit.size() > kLongest) return kUnknown;
  const uint64_t hash = long_hash(unit, part);
  for (const LongEntry& e : longs_[hash >> (64 - kLongBits)].entries) {
    if (e.hash != hash || e.length != unit.size() || bytes_written_ - e.at > kBytes) continue;
    if (std::memcmp(bytes_ + e.at % kBytes, unit.data(), unit.size()) == 0) return e.value;
  }
  return kUnknown;
}

UnitCache::Value UnitCache::value_of(std::span<const TokenId> ids) {
  if (ids.size() <= 3) {
    Value v = static_cast<Value>(ids.size()) << 60;
    for (size_t i = 0; i < ids.size(); ++i) v |= static_cast<Value>(ids[i]) << 20 * i;
    return v;
  }
  // Lists do not wrap around.
  const uint64_t room = kIds - ids_written_ % kIds;
  if (room < ids.size()) ids_written_ += room;
  std::copy(ids.begin(), ids.end(), ids_ + ids_written_ % kIds);
  const Value v = kListed << 60 | static_cast<Value>(ids.size()) << 40 |
                  (ids_written_ & ((Value{1} << 40) - 1));
  ids_written_ += ids.size();
  return v;
}

bool UnitCache::listed(Value v, std::span<const TokenId>& ids) const {
  if (v == kUnknown) return false;
  const uint64_t at = v & ((Value{1} << 40) - 1);
  if (((ids_written_ - at) & ((Value{1} << 40) - 1)) > kIds) return false;
  ids = {ids_ + at % kIds, v >> 40 & kMask};
  return true;
}

UnitCache::Value UnitCache::insert(std::string_view unit, bool part, std::span<const TokenId> ids) {
  if (unit.empty() || unit.size() > kLongest || ids.size() > kLongest) return kUnknown;
  const Value value = value_of(ids);
  const auto push_front = [](auto& ways, const auto& entry) {
    std::copy_backward(ways.begin(), ways.end() - 1, ways.end());
    ways.front() = entry;
  };
  if (unit.size() > kMediumUnit) {
    const uint64_t room = kBytes - bytes_written_ % kBytes;
    if (room < unit.size()) bytes_written_ += room;
    std::memcpy(bytes_ + bytes_written_ % kBytes, unit.data(), unit.size());
    const uint64_t hash = long_hash(unit, part);
    push_front(longs_[hash >> (64 - kLongBits)].entries,
               LongEntry{hash, value, bytes_written_, unit.size()});
    bytes_written_ += unit.size();
    return value;
  }
  uint64_t low = 0, high = 0;
  load_within(unit.data(), unit.size(), low, high);
  const auto length = static_cast<uint32_t>(unit.size());
  if (length <= kShortUnit) {
    const uint64_t key = short_key(low, length, part ? kPart : 0);
    ShortSet& set = shorts_[short_place(key, kShortBits)];
    push_front(set.keys, key);
    push_front(set.values, value);
  } else {
    const MediumKey key = medium_key(low, high, length, part ? kPart : 0);
    MediumSet& set = mediums_[medium_place(key, kMediumBits)];
    push_front(set.keys, key);
    push_front(set.values, value);
  }
  return value;
}

}  // namespace tessera
