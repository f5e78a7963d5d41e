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
};
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
// Rounds `rows` rows of `columns` values to `type`, portion by portion on the pool's threads, and
// hands the bytes on in order. Throws Error naming `where` for a value that is not finite, or not
// in the new type.
void write_rows(const std::string& where, DType type, int64_t rows, int64_t columns,
                const RowReader& read, const std::function<void(std::span<const std::byte>)>& write,
                RoundingSums& sums);

}  // namespace tessera
