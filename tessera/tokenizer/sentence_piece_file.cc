// The protocol buffer of a SentencePiece `.model` file; fields: docs/formats/sentencepiece.md.
#include "tessera/tokenizer/sentence_piece_file.h"

#include <optional>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"

namespace tessera {
namespace {

struct Trainer {
  uint64_t kind = 1;
  bool space_as_suffix = false;
  std::optional<std::string_view> unknown_text;
  int64_t bos = 1, eos = 2;
};
struct NormaliserSpec {
  std::string_view map;
  bool dummy_prefix = true, remove_extra = true, escape = true;
};

Trainer read_trainer(ProtoMessage m) {
  Trainer t;
  while (m.next()) {
    if (m.field() == 3) t.kind = m.number();
    if (m.field() == 24) t.space_as_suffix = m.number() != 0;
    if (m.field() == 44) t.unknown_text = m.text();
    if (m.field() == 41) t.bos = static_cast<int32_t>(m.number());
    if (m.field() == 42) t.eos = static_cast<int32_t>(m.number());
  }
  return t;
}

NormaliserSpec read_normaliser_spec(ProtoMessage m) {
  NormaliserSpec n;
  while (m.next()) {
    if (m.field() == 2) n.map = m.text();
    if (m.field() == 3) n.dummy_prefix = m.number() != 0;
    if (m.field() == 4) n.remove_extra = m.number() != 0;
    if (m.field() == 5) n.escape = m.number() != 0;
  }
  return n;
}

}  // namespace

ScoredPiece read_scored_piece(ProtoMessage m) {
  ScoredPiece p;
  while (m.next()) {
    if (m.field() == 1) p.text = m.text();
    if (m.field() == 2) p.score = m.real();
    if (m.field() == 3) {
      if (m.number() < 1 || m.number() > 6)
        m.fail("piece type " + std::to_string(m.number()) + " is unknown");
      p.type = static_cast<PieceType>(m.number());
    }
  }
  if (p.text.empty()) m.fail("a piece has no text");
  return p;
}

std::shared_ptr<const Tokenizer> parse_sentence_piece(std::string_view bytes,
                                                      const std::string& where) {
  std::vector<ScoredPiece> pieces;
  Trainer trainer;
  NormaliserSpec normaliser, denormaliser;
  ProtoMessage m(bytes, 0, where);
  while (m.next()) {
    if (m.field() == 1) pieces.push_back(read_scored_piece(m.message()));
    if (m.field() == 2) trainer = read_trainer(m.message());
    if (m.field() == 3) normaliser = read_normaliser_spec(m.message());
    if (m.field() == 5) denormaliser = read_normaliser_spec(m.message());
  }
  if (pieces.empty()) m.fail("holds no pieces");
  auto unsupported = [&](const std::string& what) {
    throw Error(where, what, "Name the model's tokenizer.json instead.");
  };
  if (trainer.kind < 1 || trainer.kind > 4) {
    unsupported("the vocabulary is of the unknown kind " + std::to_string(trainer.kind) +
                "; unigram, bpe, word and char are 1 to 4");
  }
  if (!denormaliser.map.empty()) unsupported("a denormaliser is not supported");
  SentencePieceOptions options;
  options.kind = static_cast<SentencePieceKind>(trainer.kind);
  if (!normaliser.map.empty())
    options.rules.map.emplace(normaliser.map, where + ": the normaliser");
  options.rules.dummy_prefix = normaliser.dummy_prefix;
  options.rules.remove_extra = normaliser.remove_extra;
  options.rules.escape = normaliser.escape;
  options.rules.space_as_suffix = trainer.space_as_suffix;
  if (trainer.unknown_text) options.unknown_text = *trainer.unknown_text;
  auto id = [&](int64_t i) {
    return i >= 0 && i < static_cast<int64_t>(pieces.size())
               ? std::optional(static_cast<TokenId>(i))
               : std::nullopt;
  };
  options.bos = id(trainer.bos);
  options.eos = id(trainer.eos);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].type == PieceType::unknown) options.unknown = static_cast<TokenId>(i);
    if (pieces[i].type == PieceType::unused && options.kind == SentencePieceKind::bpe) {
      unsupported("piece " + std::to_string(i) +
                  " is of the type unused, which byte pairs would "
                  "have to be cut again for");
    }
  }
  if (!options.unknown) unsupported("no piece is of the type unknown");
  return make_sentence_piece(pieces, std::move(options), where);
}

std::shared_ptr<const Tokenizer> read_sentence_piece(const std::string& path) {
  const MappedFile file(path);
  return parse_sentence_piece(file.text(), path);
}

}  // namespace tessera
