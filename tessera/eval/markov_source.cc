#include "tessera/eval/markov_source.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/base/random.h"
#include "tessera/base/spec.h"

namespace tessera {
namespace {

constexpr size_t kMostContexts = 65536, kMostLetters = 26;
struct SwitchingOptions {
  int64_t order = 2;
  double p = 0.8, q = 0.8;
};
template <class V>
void fields(V& v, SwitchingOptions& o) {
  v("order", o.order, "letters back to the one that decides", between(1, 16));
  v("p", o.p, "chance to go from the first letter to the second", between(0, 1));
  v("q", o.q, "chance to go back", between(0, 1));
}

constexpr int kMostRounds = 1000000;

double entropy(std::span<const double> chances) {
  double nats = 0;
  for (const double p : chances) nats -= p > 0 ? p * std::log(p) : 0;
  return nats;
}

}  // namespace

MarkovSource::MarkovSource(size_t letters, size_t order, std::vector<double> rows)
    : letters_(letters), order_(order), rows_(std::move(rows)) {
  if (letters < 1 || letters > kMostLetters) {
    throw Error("a Markov source",
                fmt::format("has {} letters; 1 to {} work", letters, kMostLetters));
  }
  for (size_t i = 0; i < order; ++i) {
    contexts_ *= letters;
    if (contexts_ > kMostContexts) {
      throw Error("a Markov source", fmt::format("of {} letters and order {} has more than {} rows",
                                                 letters, order, kMostContexts));
    }
    if (letters == 1) break;
  }
  if (rows_.size() != contexts_ * letters) {
    throw Error("a Markov source",
                fmt::format("needs {} numbers and has {}", contexts_ * letters, rows_.size()));
  }
  check();
  find_stationary();
  for (size_t c = 0; c < contexts_; ++c) {
    rate_ += stationary_[c] * entropy(std::span(rows_).subspan(c * letters_, letters_));
  }
}

void MarkovSource::check() const {
  for (size_t c = 0; c < contexts_; ++c) {
    double sum = 0;
    bool chances = true;
    for (size_t a = 0; a < letters_; ++a) {
      const double p = rows_[c * letters_ + a];
      chances = chances && p >= 0 && p <= 1;
      sum += p;
    }
    if (!chances || std::abs(sum - 1) > 1e-9) {
      throw Error("a Markov source",
                  fmt::format("row {} is no distribution: its numbers add up to {}", c, sum));
    }
  }
  // Distances from context 0, forwards and backwards; the period divides every cycle's length.
  const size_t contexts = std::max<size_t>(contexts_, 1);
  const auto next = [&](size_t c, size_t a) { return (c * letters_ + a) % contexts; };
  std::vector<size_t> distance(contexts_, SIZE_MAX), reached = {0};
  distance[0] = 0;
  std::vector<std::vector<size_t>> before(contexts_);
  size_t period = 0;
  for (size_t i = 0; i < reached.size(); ++i) {
    const size_t c = reached[i];
    for (size_t a = 0; a < letters_; ++a) {
      if (rows_[c * letters_ + a] <= 0) continue;
      const size_t to = next(c, a);
      before[to].push_back(c);
      if (distance[to] == SIZE_MAX) {
        distance[to] = distance[c] + 1;
        reached.push_back(to);
      }
      const size_t one_more = distance[c] + 1;
      period = std::gcd(
          period, one_more > distance[to] ? one_more - distance[to] : distance[to] - one_more);
    }
  }
  std::vector<bool> returns(contexts_);
  std::vector<size_t> open = {0};
  returns[0] = true;
  size_t found = 1;
  while (!open.empty()) {
    const size_t c = open.back();
    open.pop_back();
    for (const size_t from : before[c]) {
      if (returns[from]) continue;
      returns[from] = true;
      ++found;
      open.push_back(from);
    }
  }
  if (reached.size() < contexts_ || found < contexts_) {
    throw Error("a Markov source", "has contexts that are not reached from all others",
                "Give every letter a small chance everywhere.");
  }
  if (period > 1) {
    throw Error("a Markov source", fmt::format("returns only every {} letters", period),
                "Give every letter a small chance everywhere.");
  }
}

void MarkovSource::find_stationary() {
  stationary_.assign(contexts_, 1 / static_cast<double>(contexts_));
  std::vector<double> next(contexts_);
  for (int round = 0; round < kMostRounds; ++round) {
    std::fill(next.begin(), next.end(), 0.0);
    for (size_t c = 0; c < contexts_; ++c) {
      for (size_t a = 0; a < letters_; ++a) {
        next[(c * letters_ + a) % contexts_] += stationary_[c] * rows_[c * letters_ + a];
      }
    }
    double moved = 0;
    for (size_t c = 0; c < contexts_; ++c) moved += std::abs(next[c] - stationary_[c]);
    stationary_.swap(next);
    if (moved < 1e-12) return;
  }
  throw Error("a Markov source", "settles too slowly to find its stationary distribution",
              "Give every letter a larger chance everywhere.");
}

MarkovSource MarkovSource::switching(size_t order, double p, double q) {
  if (!(p > 0 && p < 1 && q > 0 && q < 1)) {
    throw Error("a switching source", fmt::format("has the chances {} and {}", p, q),
                "Both must lie within 0 and 1.");
  }
  if (order < 1 || order > 16) {
    throw Error("a switching source", fmt::format("has order {}; 1 to 16 work", order));
  }
  std::vector<double> rows;
  for (size_t c = 0; c < size_t{1} << order; ++c) {
    const bool second = (c >> (order - 1) & 1) != 0;
    rows.push_back(second ? q : 1 - p);
    rows.push_back(second ? 1 - q : p);
  }
  return {2, order, std::move(rows)};
}

MarkovSource MarkovSource::parse(std::string_view json, const std::string& where) {
  using Json = nlohmann::json;
  try {
    const Json j = Json::parse(json);
    const auto whole = [&](const char* key) {
      const int64_t n = j.at(key).get<int64_t>();
      if (!j.at(key).is_number_integer() || n < 0) {
        throw Error(where, fmt::format("{} is no number of things", key));
      }
      return static_cast<size_t>(n);
    };
    const size_t letters = whole("letters"), order = whole("order");
    std::vector<double> rows;
    for (const Json& row : j.at("rows")) {
      for (const Json& chance : row) rows.push_back(chance.get<double>());
      if (row.size() != letters) {
        throw Error(where,
                    fmt::format("row {} has {} numbers; there are {} letters",
                                rows.size() / std::max<size_t>(letters, 1), row.size(), letters));
      }
    }
    return {letters, order, std::move(rows)};
  } catch (const Json::exception&) {
    throw Error(where, "is no kernel",
                "Write {\"letters\": 2, \"order\": 1, \"rows\": [[0.2, 0.8], [0.5, 0.5]]}.");
  } catch (const Error& error) {
    throw error.where() == where ? error : error.within(where);
  }
}

MarkovSource markov_source(std::string_view spec) {
  const Spec asked = Spec::parse(spec);
  if (asked.name != "switching") {
    throw Error("the source " + asked.name, "is not there; there is switching",
                "A kernel of your own is a file of JSON.");
  }
  const auto o = read_options<SwitchingOptions>(asked);
  return MarkovSource::switching(static_cast<size_t>(o.order), o.p, o.q);
}

double MarkovSource::letter_entropy() const {
  std::vector<double> chances(letters_);
  for (size_t c = 0; c < contexts_; ++c) {
    for (size_t a = 0; a < letters_; ++a) {
      chances[a] += stationary_[c] * rows_[c * letters_ + a];
    }
  }
  return entropy(chances);
}

std::string MarkovSource::sample(size_t length, uint64_t seed) const {
  Random random(seed);
  size_t context = random.categorical(stationary_);
  std::string out;
  out.reserve(length);
  for (size_t left = order_, power = contexts_; left > 0 && out.size() < length; --left) {
    power /= letters_;
    out += static_cast<char>('a' + context / power % letters_);
  }
  while (out.size() < length) {
    const size_t a = random.categorical(std::span(rows_).subspan(context * letters_, letters_));
    out += static_cast<char>('a' + a);
    context = (context * letters_ + a) % contexts_;
  }
  return out;
}

double switching_block_loss(size_t order, double p, size_t length) {
  const double both[] = {p, 1 - p};
  const auto fresh = static_cast<double>(std::min(order, length));
  return (fresh * std::log(2.0) + (static_cast<double>(length) - fresh) * entropy(both)) /
         static_cast<double>(length);
}

}  // namespace tessera
