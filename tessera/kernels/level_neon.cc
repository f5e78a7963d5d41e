// AArch64: every such processor has NEON.
#include "tessera/kernels/levels.h"

#if defined(__aarch64__)
#include "tessera/kernels/lanes_neon.h"
//
#include "tessera/kernels/plane_tiles.h"
#include "tessera/kernels/whole_lanes.h"
//
#include "tessera/kernels/chosen_bodies.h"

namespace tessera {
const Kernels* neon_kernels() {
  static constexpr Kernels kTable = table();
  return &kTable;
}
}  // namespace tessera
#else
namespace tessera {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace tessera
#endif
