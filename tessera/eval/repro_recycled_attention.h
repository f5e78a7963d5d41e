// Recycled Attention against other ways of reading a few keys a step. Source: Xu et al. 2024, arXiv
// 2411.05787; docs/repro/recycled-attention.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// 128 tokens decoded behind 2,048 of a text, with a budget of 256 keys; items: texts, 4 where it
// does not say. Throws Error for texts that are too short.
ReproResult repro_recycled_attention(const ReproRequest& request);

}  // namespace tessera
