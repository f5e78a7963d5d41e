#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "tessera/base/error.h"
#include "tessera/kernels/kernels.h"
#include "tessera/kernels/levels.h"

namespace tessera {
namespace {

bool has_avx2() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
#else
  return false;
#endif
}

bool has_avx512() {
#if defined(__x86_64__)
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

bool has_neon_dotprod() {
#if defined(__aarch64__) && defined(__linux__)
  constexpr unsigned long kDotProducts = 1UL << 20;  // HWCAP_ASIMDDP
  return (getauxval(AT_HWCAP) & kDotProducts) != 0;
#else
  return false;
#endif
}

const Kernels& choose() {
  auto levels = available_kernels();
  const char* wanted = std::getenv("TESSERA_LEVEL");
  if (!wanted || !*wanted) return *levels.back();
  std::string names;
  for (const Kernels* k : levels) {
    if (k->name == wanted) return *k;
    names += (names.empty() ? "" : ", ") + std::string(k->name);
  }
  throw Error("TESSERA_LEVEL", std::string("is \"") + wanted + "\"; this processor runs " + names,
              "Unset it to use the best.");
}

}  // namespace

std::span<const Kernels* const> available_kernels() {
  static const std::vector<const Kernels*> levels = [] {
    std::vector<const Kernels*> out = {&reference_kernels()};
    if (avx2_kernels() && has_avx2()) out.push_back(avx2_kernels());
    if (avx512_kernels() && has_avx512()) out.push_back(avx512_kernels());
    if (neon_kernels()) out.push_back(neon_kernels());
    if (neon_dotprod_kernels() && has_neon_dotprod()) out.push_back(neon_dotprod_kernels());
    return out;
  }();
  return levels;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace tessera
