// Blocks of 256 elements in parts whose scales are quantised themselves (llama.cpp's K-quants).
// Layouts: docs/formats/gguf.md. The choice of scales is ours: least squares, no calibration text.
#pragma once

#include <cstdint>

namespace tessera {

// Each takes 256 finite values and writes one block, of 144, 176 and 210 bytes. No change of one
// part's scale or minimum by a step, with the codes that are nearest then, makes the error smaller.
void quantise_q4_k(const float* values, uint8_t* block);
void quantise_q5_k(const float* values, uint8_t* block);
void quantise_q6_k(const float* values, uint8_t* block);

}  // namespace tessera
