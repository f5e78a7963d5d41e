// x86-64 with AVX-512 F, BW, DQ, VL and VNNI.
#include "tessera/kernels/levels.h"

#if defined(__AVX512VNNI__)
#include "tessera/kernels/lanes_avx512.h"
//
#include "tessera/kernels/plane_tiles.h"
#include "tessera/kernels/whole_lanes.h"
//
#include "tessera/kernels/chosen_bodies.h"

namespace tessera {
const Kernels* avx512_kernels() {
  static constexpr Kernels kTable = table();
  return &kTable;
}
}  // namespace tessera
#else
namespace tessera {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace tessera
#endif
