// Rounding that lets later columns make up for the errors of earlier ones (GPTQ: Frantar et al.
// 2022, arXiv 2210.17323, section 3.3), in the form that needs no inverse (LDLQ: Chee et al. 2023,
// arXiv 2307.13304, section 3, which shows that both are the same).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tessera/kernels/types.h"

namespace tessera {

// For all matrices that read the same input x. What rounding a row from w to v costs is the sum of
// ((w - v) . x)^2 over a text.
class ErrorFeedback {
 public:
  // Share of the mean of the diagonal that is added to it, so that columns which the text hardly
  // used are not free. The paper has 0.01; of a few thousand tokens, 0.1 serves other texts better.
  static constexpr double kDamping = 0.1;

  // Runs on the pool's threads, some columns^3 / 3 multiply-adds.
  //   products [columns, columns]: of x_i x_j, summed over a text; read where i <= j
  // Throws Error for products of no text: not finite, or not those of any x.
  ErrorFeedback(std::span<const float> products, int64_t columns);

  // Rounds rows, for types with a grid (block_grid.h), column by column in blocks; others to
  // nearest. A row's cost() is never above that of quantise() or of quantise_weighted() with
  // weights(), whose bytes come out where different columns have nothing to do with each other.
  //   values [rows, columns]; columns a multiple of the type's block
  void round(DType type, std::span<const float> values, std::span<std::byte> out) const;

  // What rounding one row to another costs, damping included, in units of a column's mean square.
  //   row, rounded [columns]
  double cost(std::span<const float> row, std::span<const float> rounded) const;

  // What an error in each column costs when later columns make up for it.   [columns]
  std::span<const float> weights() const { return weights_; }

 private:
  // Adds error * (row `column` of the factor) to the targets behind `column`.
  void feed(float error, int64_t column, std::span<float> targets) const;

  int64_t columns_;
  // Damped products = factor * diagonal(weights) * factor^T, the factor upper triangular with ones
  // on its diagonal.
  std::vector<float> factor_, weights_;
};

}  // namespace tessera
