// Plain C++: runs anywhere, and is what the other levels are compared with.
#include "tessera/kernels/lanes_reference.h"
//
#include "tessera/kernels/plane_tiles.h"
#include "tessera/kernels/whole_lanes.h"
//
#include "tessera/kernels/chosen_bodies.h"
#include "tessera/kernels/levels.h"

namespace tessera {

const Kernels& reference_kernels() {
  static constexpr Kernels kTable = table();
  return kTable;
}

}  // namespace tessera
