// Byte-pair encoding: symbols of one character (or byte) each, joined in the order of the merges.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <span>

#include "tessera/tokenizer/parts.h"
#include "tessera/tokenizer/piece_table.h"
#include "tessera/tokenizer/vocabulary_table.h"

namespace tessera {

struct BpeMerge {
  TokenId left, right, result;
  uint32_t rank;  // lower ones are applied first; of equal ones the leftmost
};

// A merge as files write it.
struct MergeNames {
  std::string_view left, right;
};
// Merges ranked in their order. What joins is `left` and `right` without the first `prefix` bytes
// of `right`. `unknown` is called with the number of a merge and the piece that is no token, and
// must throw.
std::vector<BpeMerge> merges_by_name(const VocabularyTable& vocabulary,
                                     std::span<const MergeNames> names, size_t prefix,
                                     const std::function<void(size_t, std::string_view)>& unknown);

struct BpeOptions {
  Reading reading = Reading::utf8;     // byte_level: symbols are bytes
  std::optional<TokenId> unknown;      // for symbols that have no token; none: they are dropped
  bool fuse_unknown = false;           // neighbouring unknown symbols are one token
  bool byte_fallback = false;          // unknown characters become tokens <0x00> .. <0xFF>
  bool ignore_merges = false;          // a piece that is a token is that token
  std::string continuing_prefix;       // in front of every symbol but a piece's first
  std::string end_suffix;              // behind a piece's last symbol
  std::optional<double> dropout = {};  // the rate of draw() where it is given none
  // Whether a merge that draw() passed over can come up again once another was made
  // (tokenizers), or only when a neighbour changes (sentencepiece).
  bool retries = true;
  PieceTable whole = {};  // tokens that are found first, longest first, and never join
  // Ids from here on are symbols that have no token and may be parts of merges all the same, as
  // SentencePiece has it for the characters of its pieces. One that no merge took is unknown.
  TokenId bare_from = std::numeric_limits<TokenId>::max();
};

// `pieces`: bytes (reading byte_level) or characters of each token to its id. Of two merges for one
// pair the last counts.
// `control[id]`: tokens that content must not yield.
// Cost: O(n log n) for a piece of n symbols, whatever they are.
std::unique_ptr<Model> byte_pair_model(PieceTable pieces, const std::vector<BpeMerge>& merges,
                                       std::vector<bool> control, BpeOptions options);

}  // namespace tessera
