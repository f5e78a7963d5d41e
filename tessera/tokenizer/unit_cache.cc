#include "tessera/tokenizer/unit_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

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

constexpr size_t kShort = 7, kMedium = 15;
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

uint64_t UnitCache::short_key(uint64_t bytes, size_t length, bool part) {
  const size_t unused = 64 - 8 * length;
  return (bytes << unused >> unused) | static_cast<uint64_t>(length | (part ? 0x80U : 0U)) << 56;
}

UnitCache::Key UnitCache::medium_key(uint64_t low, uint64_t high, size_t length, bool part) {
  return {low, (high & ~(~uint64_t{0} << 8 * (length - 8))) |
                   static_cast<uint64_t>(length | (part ? 0x80U : 0U)) << 56};
}

// Without branches on which way it is: nobody could foresee them.
UnitCache::Value UnitCache::probe(const ShortSet& set, uint64_t key) {
  const size_t way = static_cast<size_t>(set.keys[1] == key) +
                     static_cast<size_t>(set.keys[2] == key) * 2 +
                     static_cast<size_t>(set.keys[3] == key) * 3;
  return set.values[way] | -static_cast<uint64_t>(set.keys[way] != key);
}

UnitCache::Value UnitCache::probe(const MediumSet& set, const Key& key) {
  const auto same = [&](size_t w) {
    return static_cast<size_t>(((set.keys[w].low ^ key.low) | (set.keys[w].high ^ key.high)) == 0);
  };
  const size_t way = same(1) + same(2) * 2 + same(3) * 3;
  return set.values[way] | -static_cast<uint64_t>(same(way) == 0);
}

void UnitCache::find(const char* text, const char* readable, const uint32_t* starts, size_t n,
                     Value* values) const {
  std::array<uint16_t, kBatch + 1> shorts, mediums, longs;
  size_t short_count = 0, medium_count = 0, long_count = 0;
  for (size_t i = 0; i < n; ++i) {
    const uint32_t length = starts[i + 1] - starts[i];
    shorts[short_count] = mediums[medium_count] = longs[long_count] = static_cast<uint16_t>(i);
    const auto is_short = static_cast<size_t>(length <= kShort);
    const auto is_long = static_cast<size_t>(length > kMedium);
    short_count += is_short;
    long_count += is_long;
    medium_count += 1 - is_short - is_long;
  }
  const bool at_end = readable - (text + starts[n]) < 16;
  const auto load = [&](size_t i, uint64_t& low, uint64_t& high) {
    const char* p = text + starts[i];
    if (at_end) [[unlikely]] {
      load_within(p, starts[i + 1] - starts[i], low, high);
    } else {
      low = load8(p);
      high = load8(p + 8);
    }
  };
  std::array<Key, kBatch> keys;
  for (size_t k = 0; k < short_count; ++k) {
    const size_t i = shorts[k];
    uint64_t low = 0, high = 0;
    load(i, low, high);
    keys[k].low = short_key(low, starts[i + 1] - starts[i], false);
    keys[k].high = short_place(keys[k].low);
    __builtin_prefetch(shorts_ + keys[k].high);
  }
  for (size_t k = 0; k < short_count; ++k) {
    values[shorts[k]] = probe(shorts_[keys[k].high], keys[k].low);
  }
  std::array<uint32_t, kBatch> places;
  for (size_t k = 0; k < medium_count; ++k) {
    const size_t i = mediums[k];
    uint64_t low = 0, high = 0;
    load(i, low, high);
    keys[k] = medium_key(low, high, starts[i + 1] - starts[i], false);
    places[k] = static_cast<uint32_t>(medium_place(keys[k]));
    __builtin_prefetch(mediums_ + places[k]);
  }
  for (size_t k = 0; k < medium_count; ++k) {
    values[mediums[k]] = probe(mediums_[places[k]], keys[k]);
  }
  for (size_t k = 0; k < long_count; ++k) {
    const size_t i = longs[k];
    values[i] = find_long({text + starts[i], starts[i + 1] - starts[i]}, false);
  }
}

UnitCache::Value UnitCache::find(std::string_view unit, bool part) const {
  if (unit.size() > kMedium) return find_long(unit, part);
  uint64_t low = 0, high = 0;
  load_within(unit.data(), unit.size(), low, high);
  if (unit.size() <= kShort) {
    const uint64_t key = short_key(low, unit.size(), part);
    return probe(shorts_[short_place(key)], key);
  }
  const Key key = medium_key(low, high, unit.size(), part);
  return probe(mediums_[medium_place(key)], key);
}

uint64_t UnitCache::long_hash(std::string_view unit, bool part) {
  uint64_t hash = unit.size() + (part ? 0x8000 : 0);
  for (size_t i = 0; i + 8 <= unit.size(); i += 8) {
    hash = (hash ^ load8(unit.data() + i)) * kFactor;
    hash ^= hash >> 29;
  }
  // The last eight bytes, some of them for the second time: a unit is no shorter than that.
  hash = (hash ^ load8(unit.data() + unit.size() - 8)) * kFactor2;
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
  if (unit.size() > kMedium) {
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
  if (unit.size() <= kShort) {
    const uint64_t key = short_key(low, unit.size(), part);
    ShortSet& set = shorts_[short_place(key)];
    push_front(set.keys, key);
    push_front(set.values, value);
  } else {
    const Key key = medium_key(low, high, unit.size(), part);
    MediumSet& set = mediums_[medium_place(key)];
    push_front(set.keys, key);
    push_front(set.values, value);
  }
  return value;
}

}  // namespace tessera
