// Whether what was written is the model that it was made from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tessera/files/checkpoint.h"
#include "tessera/files/model_description.h"
#include "tessera/files/rounding.h"
#include "tessera/kernels/types.h"

namespace tessera {

// The first field, with its value in `a`, in which two networks differ, numbers as fp32 keeps them;
// "" for none. The family's name does not count, nor what scaling would do where there is none.
std::string differing_field(const ModelDescription& a, const ModelDescription& b);

// A parameter that was written.
struct WrittenParameter {
  std::string name;  // in the new file
  Place place;
  bool is_bias = false;
  DType type = DType::f32;  // in the new file
  Parameter source;
  // What sampled rows became: number r * sampling_step(rows) of the source has hash r. Empty: what
  // quantise() gives.
  std::vector<uint64_t> rounded = {};
};
// Rows from one that is compared to the next, of a matrix of `rows`.
int64_t sampling_step(int64_t rows);
uint64_t hash_of_row(std::span<const float> row);
// Compares some rows of each parameter, 64 of a large one, with what `fresh` has at its place.
// Throws Error naming `path` and the first that is not what its source gives as its new type.
void compare_rows(const std::string& path, const Checkpoint& fresh,
                  const std::vector<WrittenParameter>& written);

// Values of rows `begin` to `end` as they are to be written, in fp32.   out [end - begin, columns]
using RowReader = std::function<void(int64_t begin, int64_t end, std::span<float> out)>;
// Sums of squares: of what rounding lost, and of the values.
struct RoundingSums {
  double error = 0, size = 0;
};
// Rows to be rounded: portion by portion, in order.
struct RowJob {
  std::string where;  // for errors
  DType type = DType::f32;
  int64_t rows = 0, columns = 0;
  RowReader read;
  RowRounder round = {};  // empty: quantise()
  std::function<void(std::span<const std::byte>)> write;
  // If set, is then given each row's values as rounded.   back [columns]
  std::function<void(int64_t row, std::span<const float> back)> wrote = {};
};
// Runs on the pool's threads. Throws Error for a value that is not finite, or not in the new type.
void write_rows(const RowJob& job, RoundingSums& sums);

}  // namespace tessera
