// What the readers of SentencePiece `.model` files share.
#pragma once

#include "tessera/tokenizer/proto_message.h"
#include "tessera/tokenizer/sentence_piece.h"

namespace tessera {

// A piece of the file's list. Its text lives as long as the message's bytes. Throws Error.
ScoredPiece read_scored_piece(ProtoMessage m);

}  // namespace tessera
