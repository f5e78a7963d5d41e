// Makes the precompiled maps that Charsmap reads, the normalisers of SentencePiece among them.
// Layout: docs/formats/sentencepiece.md.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

// The map that replaces each first string by the second. Strings may come in any order; of equal
// ones the last counts. Nodes with the same ends are shared. Throws Error for a string that is
// empty, holds a zero byte or has more than 256 bytes, and where the map gets too large.
std::string write_charsmap(std::vector<std::pair<std::string, std::string>> strings);

// The map of a normaliser by its name in SentencePiece: nfkc; nmt_nfkc, which also takes control
// characters away and makes spaces of line ends and of marks that nobody sees; identity, which is
// "". Made once, from the tables of tessera/text. Throws Error with what there is.
const std::string& sentence_piece_map(std::string_view name);

}  // namespace tessera
