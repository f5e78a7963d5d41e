// What the tokens of a question attend to in the text in front of it, at one layer.
#pragma once

#include <cstdint>
#include <vector>

#include "tessera/network/network.h"

namespace tessera {

// A prompt: what comes before the context, the context, the question and what closes the prompt.
struct PromptPlaces {
  int64_t context_begin = 0, context_end = 0;    // tokens
  int64_t question_begin = 0, question_end = 0;  // behind the context
};

// Runs a prompt up to a layer's attention and sums, for each token of the context, the attention of
// all heads from each row from the question's first token to the prompt's end, times the row's
// weight to the power of `power`. A row's weight is the attention, of all heads, from it to the
// question; `weights` is filled when empty and used as it is otherwise, one a row.
//   ids [n]   result [context_end - context_begin]
std::vector<double> question_attention(Network& network, const std::vector<int32_t>& ids,
                                       const PromptPlaces& at, int64_t layer, int64_t power,
                                       std::vector<double>& weights);

// Sums of `width` neighbours, nothing beyond the ends: for an even width one more on the left.
void sum_neighbours(const std::vector<double>& in, int64_t width, std::vector<float>& out);

}  // namespace tessera
