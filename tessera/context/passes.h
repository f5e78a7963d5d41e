// How policies that choose for several queries of a prompt at once cut it: in pieces counted from
// position 0, and token by token in the question at its end, because the mean query of a piece that
// mixes text and question finds neither.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tessera/network/layer_view.h"

namespace tessera {

// Rows of a pass that choose together.
struct Group {
  int64_t first = 0, count = 0;  // rows
  int64_t end = 0;               // entries that exist for its last row
};

struct Passes {
  int64_t chunk = 512, question = 64;
  int64_t prompt = 0;  // tokens that were announced

  // As ContextPolicy::together(): a pass holds one group of many rows, or groups of one row each.
  int64_t together(int64_t token, int64_t rows) const {
    // Tokens of a question that are computed in one pass: each needs room for its scores.
    constexpr int64_t kQuestionRows = 24;
    const int64_t text = prompt - question;
    if (token < text) {
      const int64_t cell = (token / chunk + 1) * chunk;
      return std::min(rows, std::min(cell, text) - token);
    }
    return token < prompt ? std::min({rows, prompt - token, kQuestionRows}) : 1;
  }
  bool single(const LayerView& view) const { return view.first_token() >= prompt - question; }
  bool decoding(const LayerView& view) const { return view.first_token() >= prompt; }
  int64_t groups(const LayerView& view) const { return single(view) ? view.rows() : 1; }
  Group group(const LayerView& view, int64_t g) const {
    return single(view) ? Group{g, 1, view.first_entry() + g + 1}
                        : Group{0, view.rows(), view.entries()};
  }
  int64_t number_holding(const LayerView& view, int64_t row) const {
    return single(view) ? row : 0;
  }
};

}  // namespace tessera
