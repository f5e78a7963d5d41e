#include "tessera/files/error_feedback.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/files/block_grid.h"
#include "tessera/files/quantise.h"
#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

// Columns that are eliminated before the rows behind them are visited.
constexpr int64_t kPanel = 32;

// Cholesky factor of a matrix from its lower triangle, in place.   a [n, n]
// Gives whether the matrix was positive definite.
bool factorise(std::vector<double>& a, int64_t n) {
  const auto row = [&](int64_t i) { return a.data() + i * n; };
  std::vector<double> panel(static_cast<size_t>(kPanel * n));  // its columns, [kPanel, n]
  for (int64_t first = 0; first < n; first += kPanel) {
    const int64_t last = std::min(first + kPanel, n);
    for (int64_t c = first; c < last; ++c) {
      const double pivot = row(c)[c];
      if (!(pivot > 0) || !std::isfinite(pivot)) return false;
      const double root = std::sqrt(pivot);
      row(c)[c] = root;
      double* column = panel.data() + (c - first) * n;
      for (int64_t i = c + 1; i < n; ++i) column[i] = row(i)[c] /= root;
      for (int64_t i = c + 1; i < n; ++i) {
        const double factor = column[i];
        for (int64_t j = c + 1, end = std::min(i + 1, last); j < end; ++j) {
          row(i)[j] -= factor * column[j];
        }
      }
    }
    Pool::instance().run([&](int64_t /*thread*/, Team& team) {
      // Rows grow longer, so they are claimed a few at a time.
      constexpr int64_t kRows = 8;
      for (int64_t at = last + team.claim(0) * kRows; at < n; at = last + team.claim(0) * kRows) {
        for (int64_t i = at; i < std::min(at + kRows, n); ++i) {
          for (int64_t c = first; c < last; ++c) {
            const double* column = panel.data() + (c - first) * n;
            const double factor = column[i];
            double* to = row(i);
            for (int64_t j = last; j <= i; ++j) to[j] -= factor * column[j];
          }
        }
      }
    });
  }
  return true;
}

}  // namespace

ErrorFeedback::ErrorFeedback(std::span<const float> products, int64_t columns)
    : columns_(columns),
      factor_(static_cast<size_t>(columns * columns)),
      weights_(static_cast<size_t>(columns)) {
  const auto n = columns;
  const auto product = [&](int64_t i, int64_t j) {
    return static_cast<double>(products[static_cast<size_t>(i * n + j)]);
  };
  double mean = 0;
  for (int64_t i = 0; i < n; ++i) mean += product(i, i) / static_cast<double>(n);
  // The order is turned round: a lower factor of it is an upper one of the products.
  std::vector<double> a(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      a[static_cast<size_t>(i * n + j)] =
          product(n - 1 - i, n - 1 - j) / mean + (i == j ? kDamping : 0);
    }
  }
  if (!(mean > 0) || !std::isfinite(mean) || !factorise(a, n)) {
    throw Error("calibration", "gives inputs that are zero or no numbers", "Take another text.");
  }
  for (int64_t i = 0; i < n; ++i) {
    const double root = a[static_cast<size_t>((n - 1 - i) * n + n - 1 - i)];
    weights_[static_cast<size_t>(i)] = static_cast<float>(root * root);
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = i; j < n; ++j) {
      const auto at = static_cast<size_t>((n - 1 - i) * n + n - 1 - j);
      const auto pivot = static_cast<size_t>((n - 1 - j) * n + n - 1 - j);
      factor_[static_cast<size_t>(i * n + j)] = static_cast<float>(a[at] / a[pivot]);
    }
  }
}

void ErrorFeedback::feed(float error, int64_t column, std::span<float> targets) const {
  if (error == 0) return;
  float* to = targets.data() + column + 1;
  const float* from = factor_.data() + column * columns_ + column + 1;
  kernels().add_scaled(to, from, error, columns_ - column - 1, to);
}

double ErrorFeedback::cost(std::span<const float> row, std::span<const float> rounded) const {
  std::vector<float> carried(row.size());
  double cost = 0;
  for (int64_t k = 0; k < columns_; ++k) {
    const auto i = static_cast<size_t>(k);
    const float error = row[i] - rounded[i];
    const double off = static_cast<double>(carried[i]) + error;
    cost += weights_[i] * off * off;
    feed(error, k, carried);
  }
  return cost;
}

void ErrorFeedback::round(DType type, std::span<const float> values,
                          std::span<std::byte> out) const {
  if (!has_grid(type)) return quantise(type, values, out);
  const TypeLayout layout = layout_of(type);
  const auto n = static_cast<size_t>(columns_),
             row_bytes = static_cast<size_t>(bytes_of(type, columns_)),
             block = static_cast<size_t>(layout.block_elements),
             block_bytes = static_cast<size_t>(layout.block_bytes);
  std::vector<float> targets(n), back(n);
  std::vector<std::byte> bytes(row_bytes);
  std::array<int8_t, BlockGrid::kMostElements> codes{};
  for (size_t r = 0; r * n < values.size(); ++r) {
    const auto row = values.subspan(r * n, n);
    const auto best = out.subspan(r * row_bytes, row_bytes);
    double least = std::numeric_limits<double>::infinity();
    const auto offer = [&] {
      dequantise(type, bytes, back);
      const double here = cost(row, back);
      if (!(here < least)) return;
      least = here;
      std::ranges::copy(bytes, best.begin());
    };
    quantise(type, row, bytes);
    offer();
    quantise_weighted(type, row, weights_, bytes);
    offer();
    std::ranges::copy(row, targets.begin());
    for (size_t at = 0; at < n; at += block) {
      const BlockGrid grid = fit_grid(type, std::span(targets).subspan(at, block),
                                      std::span(weights_).subspan(at, block));
      for (size_t i = 0; i < block; ++i) {
        const int part = static_cast<int>(i) / grid.part_elements;
        const int code = grid.nearest(part, targets[at + i]);
        codes[i] = static_cast<int8_t>(code);
        feed(row[at + i] - grid.value(part, code), static_cast<int64_t>(at + i), targets);
      }
      put_block(type, grid, std::span(codes).first(block),
                reinterpret_cast<uint8_t*>(bytes.data() + at / block * block_bytes));
    }
    offer();
  }
}

}  // namespace tessera
