#include "tessera/eval/correlation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/random.h"

namespace tessera {
namespace {

constexpr size_t kAllOrders = 8, kRandomOrders = 100000;

// With mean 0 and length 1.
std::vector<double> unit_vector(std::span<const double> values) {
  std::vector<double> out(values.begin(), values.end());
  const double mean =
      std::accumulate(out.begin(), out.end(), 0.0) / static_cast<double>(out.size());
  double squares = 0;
  for (double& v : out) {
    v -= mean;
    squares += v * v;
  }
  const double length = std::sqrt(squares);
  if (!(length > 0) || !std::isfinite(length)) {
    throw Error("a correlation", "needs values that differ, all of them numbers");
  }
  for (double& v : out) v /= length;
  return out;
}

double product(const std::vector<double>& x, const std::vector<double>& y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> out(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (size_t k = i; k < end; ++k) out[order[k]] = static_cast<double>(i + end - 1) / 2;
    i = end;
  }
  return out;
}

}  // namespace

Correlation correlation(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size() || x.size() < 3) {
    throw Error(
        "a correlation",
        fmt::format("needs three pairs at least; there are {} and {} values", x.size(), y.size()));
  }
  const std::vector<double> a = unit_vector(x);
  std::vector<double> b = unit_vector(y);
  Correlation out;
  out.n = static_cast<int64_t>(x.size());
  out.r = product(a, b);
  out.rank = product(unit_vector(ranks_of(x)), unit_vector(ranks_of(y)));
  constexpr double kSlack = 1e-12;  // sums in another order are no larger
  size_t orders = 0, as_large = 0;
  const auto look = [&] {
    ++orders;
    as_large += std::abs(product(a, b)) >= std::abs(out.r) - kSlack;
  };
  if (b.size() <= kAllOrders) {
    // Places are permuted, so that equal values count as often as they occur.
    std::vector<size_t> place(b.size());
    std::iota(place.begin(), place.end(), size_t{0});
    const std::vector<double> values = b;
    do {
      for (size_t i = 0; i < place.size(); ++i) b[i] = values[place[i]];
      look();
    } while (std::next_permutation(place.begin(), place.end()));
  } else {
    Random random(1);
    for (size_t round = 0; round < kRandomOrders; ++round) {
      for (size_t i = b.size(); i > 1; --i) std::swap(b[i - 1], b[random.below(i)]);
      look();
    }
  }
  out.p = static_cast<double>(as_large) / static_cast<double>(orders);
  return out;
}

}  // namespace tessera
