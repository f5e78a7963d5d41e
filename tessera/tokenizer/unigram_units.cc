#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/unigram_lattice.h"

namespace tessera {
namespace {

// What is remembered of a word: its best way when sums are exact, and by how much each choice on it
// was the best.
struct alignas(64) Entry {
  static constexpr size_t kLongest = 31, kMost = 6;
  struct Key {
    std::array<uint64_t, 4> bytes{};  // the last byte is the length, so that no word has all zeros
    bool empty() const { return bytes[3] == 0; }
    bool operator==(const Key& other) const {
      uint64_t differs = 0;
      for (size_t i = 0; i < bytes.size(); ++i) differs |= bytes[i] ^ other.bytes[i];
      return differs == 0;
    }
  };
  Key key;
  float margin = 0;
  uint8_t count = 0;
  std::array<TokenId, kMost> ids{};
};

// 32,768 words, 2 MiB; forgets the least recent of four.
class WordTable {
 public:
  WordTable() : entries_(kSets * kWays) {}

  // 32 bytes from the word's first on must be readable. Of words that are too long: an empty key.
  static Entry::Key key_of(const char* word, size_t size) {
    Entry::Key key;
    if (size > Entry::kLongest) return key;
    std::memcpy(key.bytes.data(), word, sizeof key.bytes);
    for (size_t i = 0; i < key.bytes.size(); ++i) {
      const size_t bytes = size > 8 * i ? std::min<size_t>(size - 8 * i, 8) : 0;
      key.bytes[i] &= bytes == 8 ? ~uint64_t{0} : ~(~uint64_t{0} << 8 * bytes);
    }
    key.bytes[3] |= static_cast<uint64_t>(size) << 56;
    return key;
  }
  void fetch(const Entry::Key& key) const { __builtin_prefetch(entries_.data() + place(key)); }
  const Entry* find(const Entry::Key& key) const {
    const Entry* ways = entries_.data() + place(key);
    for (size_t w = 0; w < kWays; ++w) {
      if (ways[w].key == key) return ways + w;
    }
    return nullptr;
  }
  void insert(const Entry::Key& key, double margin, std::span<const ModelToken> tokens) {
    if (tokens.size() > Entry::kMost) return;
    Entry entry;
    entry.key = key;
    // Rounded down, so that it never promises more.
    entry.margin = std::nextafter(static_cast<float>(margin), 0.0F);
    for (const ModelToken& t : tokens) entry.ids[entry.count++] = t.id;
    Entry* ways = entries_.data() + place(key);
    std::copy_backward(ways, ways + kWays - 1, ways + kWays);
    ways[0] = entry;
  }

 private:
  static constexpr size_t kWays = 4, kSets = 8192;
  static size_t place(const Entry::Key& key) {
    uint64_t hash = 0;
    for (const uint64_t bytes : key.bytes) hash = std::rotl(hash ^ bytes, 29) * 0x9E3779B97F4A7C15;
    return (hash >> 51) * kWays;
  }
  std::vector<Entry> entries_;
};

// The sum of a text's scores is rounded to `Sum` at every token, and what is nearly equal is
// decided by that. A word's way is therefore taken from the table only where its margins exceed all
// that rounding can do to it behind the present sum; else it is looked for again, from that sum on.
template <class Sum>
class UnigramRunner : public Model::Runner {
 public:
  UnigramRunner(const UnigramLattice& lattice, const Borders& borders)
      : lattice_(lattice), borders_(borders) {}

  void run(std::string_view text, bool allow_control, IdBuffer& out) override {
    constexpr size_t kChunk = 8192;
    auto& table = tables_[allow_control ? 1 : 0];
    if (!table) table = std::make_unique<WordTable>();
    sum_ = 0;
    after_unknown_ = false;
    std::array<Entry::Key, kBatch> keys;
    for (size_t at = 0; at < text.size();) {
      starts_.clear();
      at = borders_.cut(text, at, kChunk, starts_);
      const size_t words = starts_.size();
      starts_.push_back(static_cast<uint32_t>(at));
      for (size_t first = 0; first < words; first += kBatch) {
        const uint32_t* begins = starts_.data() + first;
        const size_t n = std::min(words - first, kBatch);
        for (size_t i = 0; i < n; ++i) {
          keys[i] = WordTable::key_of(text.data() + begins[i], begins[i + 1] - begins[i]);
          table->fetch(keys[i]);
        }
        for (size_t i = 0; i < n; ++i) {
          word(text.substr(begins[i], begins[i + 1] - begins[i]), keys[i], allow_control, *table,
               out);
        }
      }
    }
  }

 private:
  // Words whose entries are fetched ahead.
  static constexpr size_t kBatch = 32;

  void word(std::string_view word, const Entry::Key& key, bool allow_control, WordTable& table,
            IdBuffer& out) {
    const bool short_enough = !key.empty();
    const Entry* known = short_enough ? table.find(key) : nullptr;
    if (known && sure(known->margin, word.size())) {
      TokenId* to = out.room(known->count);
      for (size_t i = 0; i < known->count; ++i) {
        to[i] = known->ids[i];
        sum_ = static_cast<Sum>(lattice_.score(known->ids[i]) + sum_);
      }
      out.written(known->count);
      after_unknown_ = false;
      return;
    }
    spelled_.clear();
    for (const char c : word) c == ' ' ? spelled_.append("\xE2\x96\x81") : spelled_.append(1, c);
    tokens_.clear();
    double margin = 0;
    if (short_enough) {
      lattice_.best_way<double>(spelled_, allow_control, 0, tokens_, &margin);
      const auto unknown = [this](const ModelToken& t) { return lattice_.is_unknown(t.id); };
      if (std::none_of(tokens_.begin(), tokens_.end(), unknown)) {
        table.insert(key, margin, tokens_);
      }
    }
    if (sure(margin, word.size())) {
      for (const ModelToken& t : tokens_) add(t.id);
    } else {
      tokens_.clear();
      sum_ = lattice_.best_way<Sum>(spelled_, allow_control, sum_, tokens_);
    }
    give(out);
  }

  // Whether no choice can come out otherwise: a sum of n tokens is off by n half units in the last
  // place, and two sums are compared.
  bool sure(double margin, size_t bytes) const {
    const double steps = static_cast<double>(bytes + 1);
    const double most = static_cast<double>(std::abs(sum_)) + steps * lattice_.greatest();
    const double unit = most * static_cast<double>(std::numeric_limits<Sum>::epsilon());
    return margin > 2 * steps * unit;
  }

  void add(TokenId id) { sum_ = UnigramLattice::added(sum_, lattice_.score(id)); }

  // Appends the ids of tokens_; neighbours that are unknown are one token, or their bytes are.
  void give(IdBuffer& out) {
    const UnigramOptions& options = lattice_.options();
    for (const ModelToken& t : tokens_) {
      if (!lattice_.is_unknown(t.id)) {
        out.push(t.id);
        after_unknown_ = false;
      } else if (!options.byte_tokens.empty()) {
        for (uint32_t at = t.begin; at < t.end; ++at) {
          out.push(options.byte_tokens[static_cast<unsigned char>(spelled_[at])]);
        }
      } else if (!std::exchange(after_unknown_, true)) {
        out.push(*options.unknown);
      }
    }
  }

  const UnigramLattice& lattice_;
  const Borders& borders_;
  std::array<std::unique_ptr<WordTable>, 2> tables_;  // without and with control tokens
  Sum sum_ = 0;
  bool after_unknown_ = false;
  std::vector<uint32_t> starts_;
  std::vector<ModelToken> tokens_;
  std::string spelled_;
};

}  // namespace

std::unique_ptr<Model::Runner> unigram_runner(const UnigramLattice& lattice,
                                              const Borders& borders) {
  const UnigramOptions& options = lattice.options();
  const auto& bytes = options.byte_tokens;
  const bool all_bytes =
      std::all_of(bytes.begin(), bytes.end(), [](TokenId id) { return id >= 0; });
  const bool named = bytes.empty() ? options.unknown.has_value() : all_bytes;
  if (options.look_up_fused || !named) return nullptr;
  if (options.sums == UnigramSums::floats) {
    return std::make_unique<UnigramRunner<float>>(lattice, borders);
  }
  return std::make_unique<UnigramRunner<double>>(lattice, borders);
}

}  // namespace tessera
