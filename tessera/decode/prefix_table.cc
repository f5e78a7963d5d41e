#include "tessera/decode/prefix_table.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "tessera/base/hash.h"
#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

static_assert(kPrefixTokens % kBlockKeys == 0);

constexpr auto kEach = static_cast<size_t>(kPrefixTokens);

std::vector<uint64_t> chain(std::span<const TokenId> ids) {
  std::vector<uint64_t> out;
  uint64_t last = 0;
  for (size_t at = 0; at + kEach <= ids.size(); at += kEach) {
    last = hash_of({reinterpret_cast<const char*>(ids.data() + at), kEach * sizeof(TokenId)}, last);
    out.push_back(last);
  }
  return out;
}

}  // namespace

bool PrefixTable::look_up(std::span<const TokenId> ids, Found& found) const {
  if (ids.empty() || entries_.empty()) return false;
  const std::vector<uint64_t> hashes = chain(ids.first(ids.size() - 1));
  for (size_t n = hashes.size(); n > 0; --n) {
    const auto it = by_hash_.find(hashes[n - 1]);
    if (it == by_hash_.end()) continue;
    const std::vector<TokenId>& kept = it->second->ids;
    if (kept.size() < n * kEach || !std::equal(ids.begin(), ids.begin() + n * kEach, kept.begin()))
      continue;
    found = {it->second, static_cast<int64_t>(n * kEach)};
    return true;
  }
  return false;
}

int64_t PrefixTable::length_of(std::span<const TokenId> ids) const {
  Found found;
  return look_up(ids, found) ? found.length : 0;
}

std::unique_ptr<Past> PrefixTable::find(std::span<const TokenId> ids) {
  Found found;
  if (!look_up(ids, found)) return nullptr;
  entries_.splice(entries_.begin(), entries_, found.entry);
  auto past = found.entry->past->fork();
  past->truncate(found.length);
  return past;
}

void PrefixTable::enter(Place entry) {
  for (const uint64_t hash : entry->hashes) by_hash_.emplace(hash, entry);
}

void PrefixTable::forget(Place entry) {
  entries_.erase(entry);
  // Others may hold the same beginnings.
  by_hash_.clear();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) enter(it);
}

void PrefixTable::add(std::span<const TokenId> ids, const Past& past) {
  const size_t length = ids.size() / kEach * kEach;
  if (capacity_ == 0 || length == 0 || !past.can_truncate()) return;
  Entry fresh;
  fresh.ids.assign(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(length));
  fresh.hashes = chain(ids);
  if (const auto it = by_hash_.find(fresh.hashes.back()); it != by_hash_.end()) {
    const auto& kept = it->second->ids;
    if (kept.size() >= length && std::equal(fresh.ids.begin(), fresh.ids.end(), kept.begin())) {
      entries_.splice(entries_.begin(), entries_, it->second);
      return;
    }
  }
  fresh.past = past.fork();
  fresh.past->truncate(static_cast<int64_t>(length));
  // A shorter one that this one begins with is of no more use.
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto next = std::next(it);
    if (it->ids.size() <= length && std::equal(it->ids.begin(), it->ids.end(), fresh.ids.begin()))
      forget(it);
    it = next;
  }
  while (size() >= capacity_) drop_oldest();
  entries_.push_front(std::move(fresh));
  enter(entries_.begin());
}

bool PrefixTable::drop_oldest() {
  if (entries_.empty()) return false;
  forget(std::prev(entries_.end()));
  return true;
}

}  // namespace tessera
