// The tables of the compiled levels; null where this build has none. Asking for a table runs none
// of its code: whether the processor can is decided in cpu.cc.
#pragma once

#include "tessera/kernels/kernels.h"

namespace tessera {

const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* neon_kernels();
const Kernels* neon_dotprod_kernels();

}  // namespace tessera
