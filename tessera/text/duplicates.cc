#include "tessera/text/duplicates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_map>

#include "tessera/base/error.h"
#include "tessera/base/hash.h"

namespace tessera {
namespace {

constexpr int64_t kMostMinima = 1024;
constexpr uint32_t kEmpty = std::numeric_limits<uint32_t>::max();

uint64_t mixed(uint64_t x) {
  x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD;
  x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53;
  return x ^ x >> 33;
}

DocumentSign exact_sign(std::string_view document) {
  return {hash_of(document), hash_of(document, 1), {}};
}

// All that is remembered of whole documents: two documents of one hash of 128 bits are equal.
class ExactIndex {
 public:
  std::optional<uint64_t> add(const DocumentSign& sign, uint64_t number) {
    const auto [it, fresh] = seen_.emplace(std::pair{sign.low, sign.high}, number);
    return fresh ? std::nullopt : std::optional(it->second);
  }

 private:
  struct Hash {
    size_t operator()(const std::pair<uint64_t, uint64_t>& key) const { return key.first; }
  };
  std::unordered_map<std::pair<uint64_t, uint64_t>, uint64_t, Hash> seen_;
};

class Exact : public DuplicateFilter {
 public:
  DocumentSign sign(std::string_view document) const override { return exact_sign(document); }
  std::optional<Duplicate> add(const DocumentSign& sign, uint64_t number) override {
    const auto of = index_.add(sign, number);
    return of ? std::optional(Duplicate{*of, 1}) : std::nullopt;
  }
  std::string text() const override { return "exact"; }

 private:
  ExactIndex index_;
};

class MinHash : public DuplicateFilter {
 public:
  explicit MinHash(const MinHashOptions& options)
      : options_(options),
        bins_(static_cast<size_t>(options.bands * options.rows)),
        shingle_(static_cast<size_t>(options.shingle)) {}

  // Every shingle's hash says which bin it falls into and its value there. An empty bin takes the
  // value of another one, the same for all documents in which that one is the first filled.
  DocumentSign sign(std::string_view document) const override {
    DocumentSign out = exact_sign(document);
    out.minima.assign(bins_, kEmpty);
    const size_t shingle = std::min(shingle_, document.size());
    constexpr uint64_t kBase = 0x9E3779B97F4A7C15;
    uint64_t leaving = 1, rolling = 0;
    for (size_t i = 0; i < shingle; ++i) leaving *= kBase;
    for (size_t i = 0; i < document.size(); ++i) {
      rolling = rolling * kBase + static_cast<unsigned char>(document[i]) + 1;
      if (i >= shingle) {
        rolling -= leaving *
                   (static_cast<uint64_t>(static_cast<unsigned char>(document[i - shingle])) + 1);
      }
      if (i + 1 < shingle) continue;
      const uint64_t hash = mixed(rolling);
      uint32_t& least = out.minima[(hash >> 32) * bins_ >> 32];
      least = std::min(least, static_cast<uint32_t>(hash));
    }
    fill(out.minima);
    return out;
  }

  std::optional<Duplicate> add(const DocumentSign& sign, uint64_t number) override {
    if (const auto of = exact_.add(sign, number)) return Duplicate{*of, 1};
    const auto rows = static_cast<size_t>(options_.rows);
    std::vector<uint64_t> keys;
    std::vector<uint32_t> near;
    for (size_t first = 0; first < bins_; first += rows) {
      Hash64 hash(first);
      for (size_t i = first; i < first + rows; ++i) hash.add(uint64_t{sign.minima[i]});
      keys.push_back(hash.value());
      const auto it = buckets_.find(keys.back());
      if (it != buckets_.end()) near.insert(near.end(), it->second.begin(), it->second.end());
    }
    std::sort(near.begin(), near.end());
    near.erase(std::unique(near.begin(), near.end()), near.end());
    for (uint32_t other : near) {
      const double similarity = agreement(sign.minima, other);
      if (similarity >= options_.threshold) return Duplicate{numbers_[other], similarity};
    }
    for (uint64_t key : keys) buckets_[key].push_back(static_cast<uint32_t>(numbers_.size()));
    numbers_.push_back(number);
    minima_.insert(minima_.end(), sign.minima.begin(), sign.minima.end());
    return std::nullopt;
  }

  std::string text() const override { return canonical("minhash", options_); }

 private:
  void fill(std::vector<uint32_t>& minima) const {
    const std::vector<uint32_t> found = minima;
    if (std::all_of(found.begin(), found.end(), [](uint32_t m) { return m == kEmpty; })) return;
    for (size_t bin = 0; bin < bins_; ++bin) {
      for (uint64_t attempt = 1; minima[bin] == kEmpty; ++attempt) {
        minima[bin] = found[(mixed(bin << 32 | attempt) >> 32) * bins_ >> 32];
      }
    }
  }

  double agreement(const std::vector<uint32_t>& minima, uint32_t other) const {
    const uint32_t* theirs = minima_.data() + size_t{other} * bins_;
    size_t equal = 0;
    for (size_t i = 0; i < bins_; ++i) equal += minima[i] == theirs[i];
    return static_cast<double>(equal) / static_cast<double>(bins_);
  }

  MinHashOptions options_;
  size_t bins_, shingle_;
  ExactIndex exact_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> buckets_;
  std::vector<uint64_t> numbers_;  // of the documents that were kept
  std::vector<uint32_t> minima_;   // [kept, bins]
};

}  // namespace

std::unique_ptr<DuplicateFilter> make_duplicate_filter(std::string_view text) {
  if (text.empty()) return nullptr;
  const Spec spec = Spec::parse(text);
  if (spec.name == "exact") {
    read_options<ExactOptions>(spec);
    return std::make_unique<Exact>();
  }
  if (spec.name == "minhash") {
    const auto options = read_options<MinHashOptions>(spec);
    if (options.bands * options.rows > kMostMinima) {
      throw Error(spec.text(), "asks for more than 1,024 minima a document",
                  "Ask for fewer bands or rows.");
    }
    return std::make_unique<MinHash>(options);
  }
  throw Error(spec.text(), "no such method; there are exact, minhash",
              did_you_mean(spec.name, std::array<std::string, 2>{"exact", "minhash"}));
}

double compared_share(double s, const MinHashOptions& options) {
  return 1 - std::pow(1 - std::pow(s, static_cast<double>(options.rows)),
                      static_cast<double>(options.bands));
}

}  // namespace tessera
