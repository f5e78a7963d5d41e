// x86-64 with AVX2, FMA and F16C.
#include "tessera/kernels/levels.h"

#if defined(__AVX2__)
#include "tessera/kernels/lanes_avx2.h"
//
#include "tessera/kernels/wide_tiles.h"
//
#include "tessera/kernels/chosen_bodies.h"

namespace tessera {
const Kernels* avx2_kernels() {
  static constexpr Kernels kTable = table();
  return &kTable;
}
}  // namespace tessera
#else
namespace tessera {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace tessera
#endif
