// AArch64 with the dot products of Armv8.2.
#include "tessera/kernels/levels.h"

#if defined(__ARM_FEATURE_DOTPROD)
#include "tessera/kernels/lanes_neon.h"
//
#include "tessera/kernels/plane_tiles.h"
#include "tessera/kernels/whole_lanes.h"
//
#include "tessera/kernels/chosen_bodies.h"

namespace tessera {
const Kernels* neon_dotprod_kernels() {
  static constexpr Kernels kTable = table();
  return &kTable;
}
}  // namespace tessera
#else
namespace tessera {
const Kernels* neon_dotprod_kernels() { return nullptr; }
}  // namespace tessera
#endif
