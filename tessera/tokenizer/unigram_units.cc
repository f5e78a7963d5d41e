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
struct Entry {
  static constexpr size_t kLongest = 15, kMost = 9;
  struct Key {
    uint64_t low = 0, high = 0;  // the last byte is the length, so that no word has all zeros
    bool operator==(const Key& other) const {
      return ((low ^ other.low) | (high ^ other.high)) == 0;
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
  const Entry* find(std::string_view word) const {
    if (entries_.empty() || word.size() > Entry::kLongest) return nullptr;
    const auto key = key_of(word);
    const Entry* ways = entries_.data() + place(key);
    for (size_t w = 0; w < kWays; ++w) {
      if (ways[w].key == key) return ways + w;
    }
    return nullptr;
  }
  void insert(std::string_view word, double margin, std::span<const ModelToken> tokens) {
    if (word.size() > Entry::kLongest || tokens.size() > Entry::kMost) return;
    if (entries_.empty()) entries_.resize(kSets * kWays);
    Entry entry;
    entry.key = key_of(word);
    // Rounded down, so that it never promises more.
    entry.margin = std::nextafter(static_cast<float>(margin), 0.0F);
    for (const ModelToken& t : tokens) entry.ids[entry.count++] = t.id;
    Entry* ways = entries_.data() + place(entry.key);
    std::copy_backward(ways, ways + kWays - 1, ways + kWays);
    ways[0] = entry;
  }

 private:
  static constexpr size_t kWays = 4, kSets = 8192;
  static Entry::Key key_of(std::string_view word) {
    std::array<char, 16> bytes{};
    std::memcpy(bytes.data(), word.data(), word.size());
    bytes[15] = static_cast<char>(word.size());
    return std::bit_cast<Entry::Key>(bytes);
  }
  static size_t place(const Entry::Key& key) {
    const uint64_t hash =
        (key.low ^ std::rotl(key.high, 29) * 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93;
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
    WordTable& table = tables_[allow_control ? 1 : 0];
    sum_ = 0;
    after_unknown_ = false;
    for (size_t at = 0; at < text.size();) {
      starts_.clear();
      at = borders_.cut(text, at, kChunk, starts_);
      starts_.push_back(static_cast<uint32_t>(at));
      for (size_t i = 0; i + 1 < starts_.size(); ++i) {
        word(text.substr(starts_[i], starts_[i + 1] - starts_[i]), allow_control, table, out);
      }
    }
  }

 private:
  void word(std::string_view word, bool allow_control, WordTable& table, IdBuffer& out) {
    if (const Entry* known = table.find(word); known && sure(known->margin, word.size())) {
      TokenId* to = out.room(known->count);
      for (size_t i = 0; i < known->count; ++i) {
        to[i] = known->ids[i];
        add(known->ids[i]);
      }
      out.written(known->count);
      after_unknown_ = false;
      return;
    }
    spelled_.clear();
    for (const char c : word) c == ' ' ? spelled_.append("\xE2\x96\x81") : spelled_.append(1, c);
    tokens_.clear();
    double margin = 0;
    if (word.size() <= Entry::kLongest) {
      lattice_.best_way<double>(spelled_, allow_control, 0, tokens_, &margin);
      const auto unknown = [this](const ModelToken& t) { return lattice_.is_unknown(t.id); };
      if (std::none_of(tokens_.begin(), tokens_.end(), unknown)) {
        table.insert(word, margin, tokens_);
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

  void add(TokenId id) {
    sum_ = static_cast<Sum>(UnigramLattice::added(sum_, lattice_.score(id), id));
  }

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
  std::array<WordTable, 2> tables_;  // without and with control tokens
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
