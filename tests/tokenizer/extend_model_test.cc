// Compared with the package sentencepiece: tests/parity/test_sentence_piece_extension.py.
#include "tessera/tokenizer/train/extend_model.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/base/mapped_file.h"
#include "tessera/base/random.h"
#include "tessera/tokenizer/sentence_piece_file.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

// Words of some letters, nine to a line.
std::string prose(std::string_view letters, uint64_t seed, int words = 3000) {
  Random random(seed);
  std::vector<std::string> lexicon;
  for (int i = 0; i < 150; ++i) {
    std::string& word = lexicon.emplace_back();
    for (size_t n = 1 + random.below(6); n > 0; --n) word += letters[random.below(letters.size())];
  }
  std::string out;
  for (int i = 0; i < words; ++i) {
    out += lexicon[random.below(1 + random.below(lexicon.size()))];
    out += i % 9 == 8 ? '\n' : ' ';
  }
  return out;
}

const std::string kOld = prose("abcdef", 1), kNew = prose("adxyz", 2);

std::string trained(const std::string& spec, const std::string& text, int64_t size) {
  test::TemporaryFolder folder;
  TrainingTexts texts({folder.write("t", text)}, {});
  TrainingRequest request;
  request.vocab_size = size;
  // The usual map takes time to make.
  const std::string options = spec.find(':') == std::string::npos ? ":" : ",";
  return make_guest<Trainer>(spec + options + "normalization-rule-name=identity")
      ->train(texts, request)
      .sentence_piece;
}

struct Piece {
  std::string text;
  float score;
  PieceType type;
  bool operator==(const Piece&) const = default;
};

std::vector<Piece> pieces_of(const std::string& bytes) {
  std::vector<Piece> out;
  const std::string where = "pieces";
  for (ProtoMessage m(bytes, 0, where); m.next();) {
    if (m.field() != 1) continue;
    const ScoredPiece p = read_scored_piece(m.message());
    out.push_back({std::string(p.text), p.score, p.type});
  }
  return out;
}

// What the reference code does.
std::vector<Piece> merged(const std::string& base, const std::string& added, size_t size) {
  std::vector<Piece> out = pieces_of(base);
  for (const Piece& p : pieces_of(added)) {
    const bool there =
        std::any_of(out.begin(), out.end(), [&](const Piece& old) { return old.text == p.text; });
    if (!there && p.type == PieceType::normal && out.size() < size) out.push_back(p);
  }
  return out;
}

struct Both {
  test::TemporaryFolder folder;
  std::string base, added, base_path, added_path;
  static int64_t size_of(const std::string& spec) {
    return spec.find("byte-fallback") == std::string::npos ? 160 : 420;
  }
  Both(const std::string& base_spec, const std::string& added_spec)
      : base(trained(base_spec, kOld, size_of(base_spec))),
        added(trained(added_spec, kNew, size_of(added_spec))),
        base_path(folder.write("base.model", base)),
        added_path(folder.write("added.model", added)) {}
};

std::vector<TokenId> ids_of(const std::string& model, const std::string& text) {
  return parse_sentence_piece(model, "model")->encode(text, {.add_template = false}).ids;
}

// `all`: the new pieces have all letters of the new text.
void expect_old_pieces(const ExtendedTokenizer& made, const std::string& base, bool all = true) {
  const auto before = pieces_of(base), now = pieces_of(made.file);
  EXPECT_EQ(made.before, static_cast<int64_t>(before.size()));
  ASSERT_EQ(made.after, static_cast<int64_t>(now.size()));
  EXPECT_TRUE(std::equal(before.begin(), before.end(), now.begin()));
  const auto tokenizer = parse_sentence_piece(made.file, "now");
  for (const std::string& text : {kOld, kNew}) {
    if (text == kNew && !all) continue;
    for (size_t at = 0; at < 2000; at = text.find('\n', at) + 1) {
      const std::string line = text.substr(at, text.find('\n', at) - at);
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(line).ids), line);
    }
  }
}

TEST(ExtendModel, ScriptTakesOverPiecesWithTheirScores) {
  for (const char* spec : {"sp-bpe", "sp-unigram", "sp-bpe:byte-fallback=on"}) {
    SCOPED_TRACE(spec);
    const Both both(spec, spec);
    const auto before = static_cast<int64_t>(pieces_of(both.base).size());
    for (int64_t size : {before + 7, before + 1000}) {
      const ExtendedTokenizer made =
          extend_model_by_model(both.base_path, both.added_path, size, AddedScores::own, 0.5);
      EXPECT_EQ(pieces_of(made.file), merged(both.base, both.added, static_cast<size_t>(size)));
      expect_old_pieces(made, both.base, made.after < size);
      EXPECT_EQ(made.notes.empty(), made.after == size);
    }
  }
}

TEST(ExtendModel, WithoutNewPiecesTheFileIsTheBaseByteForByte) {
  const Both both("sp-bpe", "sp-bpe");
  for (const AddedScores scores : {AddedScores::own, AddedScores::behind}) {
    EXPECT_EQ(extend_model_by_model(both.base_path, both.base_path, 500, scores, 0.5).file,
              both.base);
  }
}

// Where no new merge applies no text is cut otherwise.
TEST(ExtendModel, AppendedMergesComeBehindAllOldOnes) {
  const Both both("sp-bpe", "sp-bpe");
  const ExtendedTokenizer made =
      extend_model_by_model(both.base_path, both.added_path, 220, AddedScores::behind, 0.5);
  expect_old_pieces(made, both.base, false);
  EXPECT_EQ(made.after, 220);
  const std::string old_words = prose("bcef", 3, 900);
  EXPECT_EQ(ids_of(made.file, old_words), ids_of(both.base, old_words));
  EXPECT_LT(ids_of(made.file, kNew).size(), ids_of(both.base, kNew).size());
  // Oracle of what can come out of a text: the pieces one by one.
  const auto now = parse_sentence_piece(made.file, "now");
  size_t lost = 0;
  for (auto id = static_cast<TokenId>(made.before); id < made.after; ++id) {
    lost += now->encode_piece(now->vocabulary().piece(id)) != std::vector<TokenId>{id};
  }
  EXPECT_EQ(made.unreachable.size(), lost);
}

TEST(ExtendModel, AppendedUnigramPiecesHaveTheirShare) {
  const Both both("sp-unigram", "sp-unigram");
  for (const double share : {0.1, 0.5, 0.9}) {
    const ExtendedTokenizer made =
        extend_model_by_model(both.base_path, both.added_path, 500, AddedScores::behind, share);
    expect_old_pieces(made, both.base);
    double before = 0, added = 0;
    const auto now = pieces_of(made.file);
    for (size_t id = 0; id < now.size(); ++id) {
      if (now[id].type != PieceType::normal) continue;
      (static_cast<int64_t>(id) < made.before ? before : added) += std::exp(now[id].score);
    }
    EXPECT_NEAR(added / (before + added), share, 1e-4);
  }
}

TEST(ExtendModel, ContinuedTrainingMakesPiecesThatTextsGive) {
  const Both both("sp-bpe", "sp-bpe");
  std::string first;
  for (const int64_t threads : {1, 3}) {
    TrainingTexts texts({both.folder.write("new", kNew)}, {});
    TrainingRequest request;
    request.vocab_size = 230;
    request.threads = threads;
    const ExtendedTokenizer made = extend_model_by_texts(both.base_path, texts, request);
    expect_old_pieces(made, both.base);
    EXPECT_EQ(made.after, 230);
    EXPECT_TRUE(made.unreachable.empty());
    const std::string old_words = prose("bcef", 3, 900);
    EXPECT_EQ(ids_of(made.file, old_words), ids_of(both.base, old_words));
    EXPECT_LT(ids_of(made.file, kNew).size(), ids_of(both.base, kNew).size() * 3 / 4);
    if (threads == 1) first = made.file;
    EXPECT_EQ(made.file, first);
  }
}

// Where floats lie far apart new scores still say which merge comes first.
TEST(ExtendModel, NewScoresDescendBelowAnyOldOne) {
  const Both both("sp-bpe", "sp-bpe");
  ProtoFields piece, field;
  piece.text(1, "qq");
  piece.real(2, -1e9F);
  field.text(1, piece.bytes());
  const std::string base = both.folder.write("low.model", both.base + field.bytes());
  TrainingTexts texts({both.folder.write("new", kNew)}, {});
  TrainingRequest request;
  request.vocab_size = 230;
  for (const ExtendedTokenizer& made :
       {extend_model_by_texts(base, texts, request),
        extend_model_by_model(base, both.added_path, 220, AddedScores::behind, 0.5)}) {
    const auto pieces = pieces_of(made.file);
    float before = -1e9F;
    for (auto id = static_cast<size_t>(made.before); id < pieces.size(); ++id) {
      EXPECT_LT(pieces[id].score, before);
      before = pieces[id].score;
    }
    EXPECT_GT(made.after, made.before + 20);
  }
}

TEST(ExtendModel, ContinuedTrainingKeepsToWhatTheFileAskedFor) {
  const std::string numbers = prose("0123", 5);
  test::TemporaryFolder folder;
  const std::string text = folder.write("t", numbers);
  for (const bool split : {true, false}) {
    const std::string base = folder.write(
        "base.model", trained(split ? "sp-bpe:split-digits=on" : "sp-bpe", kOld + numbers, 60));
    // The package writes what it was asked for; here it is put behind what the trainer wrote.
    ProtoFields asked;
    asked.number(25, split ? 1 : 0);
    std::string bytes;
    {
      const MappedFile file(base);
      for (ProtoMessage m(file.text(), 0, base); m.next();) {
        ProtoFields field;
        if (m.field() == 2) {
          field.text(2, std::string(m.text()) + asked.bytes());
        } else {
          field.whole(m.whole());
        }
        bytes += field.bytes();
      }
    }
    TrainingTexts texts({text}, {});
    TrainingRequest request;
    request.vocab_size = 75;
    const ExtendedTokenizer made =
        extend_model_by_texts(folder.write("asked.model", bytes), texts, request);
    int longer = 0;
    for (const Piece& p : pieces_of(made.file)) {
      const auto digits =
          std::count_if(p.text.begin(), p.text.end(), [](char c) { return c >= '0' && c <= '9'; });
      longer += p.type == PieceType::normal && digits > 1;
    }
    EXPECT_EQ(longer == 0, split);
  }
}

TEST(ExtendModel, RefusesWhatCannotBeExtended) {
  const Both both("sp-bpe", "sp-unigram");
  const auto by_model = [&](const std::string& base, const std::string& added, int64_t size) {
    extend_model_by_model(base, added, size, AddedScores::behind, 0.5);
  };
  EXPECT_THROW(by_model(both.base_path, both.added_path, 500), Error);  // of two kinds
  EXPECT_THROW(by_model(both.base_path, both.base_path, 100), Error);   // no room
  TrainingTexts texts({both.folder.write("t", kNew)}, {});
  TrainingRequest request;
  request.vocab_size = 500;
  EXPECT_THROW(extend_model_by_texts(both.added_path, texts, request), Error);
  TrainingTexts nothing({both.folder.write("n", "")}, {});
  EXPECT_THROW(extend_model_by_texts(both.base_path, nothing, request), Error);
  const std::string cut = both.folder.write("cut.model", both.base.substr(0, both.base.size() / 2));
  EXPECT_THROW(by_model(both.base_path, cut, 500), Error);
}

}  // namespace
}  // namespace tessera
