// Models small enough to be checked by hand: random weights for any description, in memory, and the
// same forward pass in plain loops and double precision.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tessera/files/model.h"
#include "tessera/network/engine.h"
#include "tests/files/tiny_description.h"

namespace tessera::test {

// Every parameter that the description asks for, drawn from `seed`, matrices stored as `type`.
ModelFiles tiny_model(const ModelDescription& d, uint64_t seed, DType type = DType::f32);

// May change the weights of a head after the softmax.   map [query][key]
using AttentionChange =
    std::function<void(int64_t layer, int64_t head, std::vector<std::vector<double>>& map)>;

// Logits of every position of one sequence (for an encoder: hidden states).   [ids][vocabulary or
// d] The graph in loops over doubles, attention over everything at once, no past.
std::vector<std::vector<double>> naive_forward(const ModelFiles& model,
                                               const std::vector<int32_t>& ids,
                                               const AttentionChange& change = {});

// What every position attends to in a layer, in that forward pass.   [heads][query][key]
std::vector<std::vector<std::vector<double>>> naive_attention(const ModelFiles& model,
                                                              const std::vector<int32_t>& ids,
                                                              int64_t layer);

// The same through a network: one call a piece of `cut`, the rest in one.
std::vector<float> run_pieces(Network& network, const std::vector<int32_t>& ids,
                              const std::vector<int64_t>& cut, const std::string& policy = "full");

std::vector<int32_t> random_ids(uint64_t seed, int64_t count, int64_t vocabulary);

}  // namespace tessera::test
