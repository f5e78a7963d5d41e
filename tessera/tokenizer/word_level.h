// WordLevel: a piece is a token, or unknown.
#pragma once

#include <optional>
#include <vector>

#include "tessera/tokenizer/parts.h"
#include "tessera/tokenizer/piece_table.h"

namespace tessera {

// `control[id]`: tokens that content must not yield. Throws Error from encode() where a piece is
// unknown and no token stands for that.
std::unique_ptr<Model> word_level_model(PieceTable pieces, std::vector<bool> control,
                                        std::optional<TokenId> unknown);

}  // namespace tessera
