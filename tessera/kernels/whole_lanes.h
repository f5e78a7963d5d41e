// Attention works on 16 lanes at once, for levels whose registers hold their sums; included once by
// such a level, after its lanes. Docs of each function: lanes_reference.h.
#pragma once

#include <cstdint>

namespace tessera {
namespace {

using Register = F;
constexpr int kRegisterLanes = 16;

inline Register splat_register(float x) { return splat(x); }
inline Register load_register(const float* p) { return load(p); }
inline Register load_register_f16(const void* p) { return load_f16(p); }
inline Register load_register_bf16(const void* p) { return load_bf16(p); }
inline Register load_register_i8(const int8_t* p) { return load_i8(p); }

}  // namespace
}  // namespace tessera
