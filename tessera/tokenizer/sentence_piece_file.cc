// The protocol buffer of a SentencePiece `.model` file; fields: docs/formats/sentencepiece.md.
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/tokenizer/sentence_piece.h"

namespace tessera {
namespace {

// Walks the fields of one message; every length is checked against what is left.
class Message {
 public:
  Message(std::string_view bytes, uint64_t offset, const std::string& where)
      : bytes_(bytes), offset_(offset), where_(where) {}

  bool next() {
    if (at_ == bytes_.size()) return false;
    const uint64_t tag = varint();
    field_ = tag >> 3;
    wire_ = tag & 7;
    begin_ = at_;
    switch (wire_) {
      case 0:
        number_ = varint();
        break;
      case 1:
        take(8);
        break;
      case 2: {
        const uint64_t n = varint();
        begin_ = at_;
        take(n);
        break;
      }
      case 5:
        take(4);
        break;
      default:
        fail("wire type " + std::to_string(wire_) + " is none that this format uses");
    }
    return true;
  }
  uint64_t field() const { return field_; }
  uint64_t number() const {
    want(0, "a number");
    return number_;
  }
  float real() const {
    want(5, "a float");
    float value;
    std::memcpy(&value, bytes_.data() + begin_, 4);
    return value;
  }
  std::string_view text() const {
    want(2, "bytes");
    return bytes_.substr(begin_, at_ - begin_);
  }
  Message message() const { return {text(), offset_ + begin_, where_}; }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(where_ + ": byte " + std::to_string(offset_ + at_), what,
                "The file is damaged or no SentencePiece model.");
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) fail("ends inside a number");
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    fail("a number has more than ten bytes");
  }
  void take(uint64_t n) {
    if (n > bytes_.size() - at_) {
      fail("field " + std::to_string(field_) + " has " + std::to_string(n) + " bytes, " +
           std::to_string(bytes_.size() - at_) + " are left");
    }
    at_ += n;
  }
  void want(uint64_t wire, const char* what) const {
    if (wire_ != wire) fail("field " + std::to_string(field_) + " is not " + what);
  }

  std::string_view bytes_;
  uint64_t offset_;
  const std::string& where_;
  size_t at_ = 0, begin_ = 0;
  uint64_t field_ = 0, wire_ = 0, number_ = 0;
};

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

ScoredPiece read_piece(Message m) {
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

Trainer read_trainer(Message m) {
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

NormaliserSpec read_normaliser_spec(Message m) {
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

std::shared_ptr<const Tokenizer> parse_sentence_piece(std::string_view bytes,
                                                      const std::string& where) {
  std::vector<ScoredPiece> pieces;
  Trainer trainer;
  NormaliserSpec normaliser, denormaliser;
  Message m(bytes, 0, where);
  while (m.next()) {
    if (m.field() == 1) pieces.push_back(read_piece(m.message()));
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
