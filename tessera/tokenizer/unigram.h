// Unigram: of all ways to cut a piece into tokens, the one whose scores add up to the most. Source:
// Kudo 2018, arXiv 1804.10959.
#pragma once

#include <optional>
#include <vector>

#include "tessera/tokenizer/parts.h"

namespace tessera {

struct UnigramPiece {
  std::string_view text;
  TokenId id;
  double score;
  bool user_defined = false;  // chosen wherever it stands
};

// The two libraries that people's vocabularies come from add up differently, and by that choose
// differently where scores are nearly equal.
enum class UnigramSums : uint8_t {
  doubles,  // tokenizers
  floats,   // sentencepiece: sums are rounded to float
};

struct UnigramOptions {
  UnigramSums sums = UnigramSums::doubles;
  std::optional<TokenId> unknown;
  double unknown_score = 0;   // of a character that is no piece
  double greatest_score = 0;  // what user-defined pieces get, times their bytes
  // What is unknown becomes the tokens of its bytes; 256 entries, -1 for a byte that has none, or
  // no entries.
  std::vector<TokenId> byte_tokens = {};
  // Neighbours that are unknown are one token. If so, whether their text is looked up once more:
  // together they may be a piece, or lack a byte token.
  bool look_up_fused = true;
};

// `control[id]`: tokens that content must not yield. Throws Error from encode() where something is
// unknown and no token stands for that.
// Cost: O(n) steps for n bytes, each as long as the longest piece that stands there.
std::unique_ptr<Model> unigram_model(const std::vector<UnigramPiece>& pieces,
                                     std::vector<bool> control, UnigramOptions options);

}  // namespace tessera
