#include "tessera/tokenizer/sentence_piece_writer.h"

#include <algorithm>
#include <string_view>

#include "tessera/tokenizer/charsmap_writer.h"
#include "tessera/tokenizer/proto_message.h"

namespace tessera {
namespace {

std::string_view text_of(const SentencePieceModel& model, int64_t id) {
  return model.pieces[static_cast<size_t>(id)].text;
}

std::string trainer_bytes(const SentencePieceModel& model) {
  ProtoFields out;
  out.number(3, static_cast<int64_t>(model.kind));
  out.number(4, static_cast<int64_t>(model.pieces.size()));
  out.number(24, model.space_as_suffix ? 1 : 0);
  for (const auto& piece : model.pieces) {
    if (piece.type == PieceType::user_defined) out.text(31, piece.text);
  }
  const bool bytes = std::any_of(model.pieces.begin(), model.pieces.end(),
                                 [](const auto& piece) { return piece.type == PieceType::byte; });
  out.number(35, bytes ? 1 : 0);
  out.number(40, model.unknown);
  out.number(41, model.bos);
  out.number(42, model.eos);
  out.number(43, model.pad);
  out.text(44, model.unknown_text);
  const int64_t ids[] = {model.unknown, model.bos, model.eos, model.pad};
  for (uint64_t i = 0; i < 4; ++i) {
    if (ids[i] >= 0) out.text(45 + i, text_of(model, ids[i]));
  }
  return out.bytes();
}

}  // namespace

std::string sentence_piece_bytes(const SentencePieceModel& model) {
  ProtoFields out;
  for (const auto& piece : model.pieces) {
    ProtoFields fields;
    fields.text(1, piece.text);
    fields.real(2, piece.score);
    fields.number(3, static_cast<int64_t>(piece.type));
    out.text(1, fields.bytes());
  }
  out.text(2, trainer_bytes(model));
  ProtoFields normaliser;
  normaliser.text(1, model.normalisation);
  const std::string& map = sentence_piece_map(model.normalisation);
  if (!map.empty()) normaliser.text(2, map);
  normaliser.number(3, model.dummy_prefix ? 1 : 0);
  normaliser.number(4, model.remove_extra ? 1 : 0);
  normaliser.number(5, 1);
  out.text(3, normaliser.bytes());
  return out.bytes();
}

}  // namespace tessera
