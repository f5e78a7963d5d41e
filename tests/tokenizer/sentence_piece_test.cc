#include "tessera/tokenizer/sentence_piece.h"

#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/id_buffer.h"

namespace tessera {
namespace {

struct Piece {
  std::string text;
  float score;
  PieceType type = PieceType::normal;
};

std::string varint(uint64_t n) {
  std::string out;
  for (; n > 127; n >>= 7) out += static_cast<char>(128 | (n & 127));
  return out + static_cast<char>(n);
}
std::string bytes_field(int field, const std::string& bytes) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string number_field(int field, uint64_t n) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(n);
}

// The file as SentencePiece's own trainer writes it, as far as it matters here.
std::string model_file(const std::vector<Piece>& pieces, uint64_t kind = 2,
                       bool dummy_prefix = true) {
  std::string out;
  for (const Piece& p : pieces) {
    std::string score(4, '\0');
    std::memcpy(score.data(), &p.score, 4);
    out += bytes_field(1, bytes_field(1, p.text) + varint(2 << 3 | 5) + score +
                              number_field(3, static_cast<uint64_t>(p.type)));
  }
  out += bytes_field(2, number_field(3, kind));
  return out + bytes_field(3, bytes_field(1, "identity") + number_field(3, dummy_prefix) +
                                  number_field(4, 0) + number_field(5, 1));
}

std::vector<Piece> base_pieces(const std::string& letters) {
  std::vector<Piece> pieces = {{"<unk>", 0, PieceType::unknown},
                               {"<s>", 0, PieceType::control},
                               {"</s>", 0, PieceType::control}};
  for (int b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", b);
    pieces.push_back({name, 0, PieceType::byte});
  }
  pieces.push_back({"\xE2\x96\x81", -1000});
  for (char c : letters)
    pieces.push_back({std::string(1, c), -1001 - static_cast<float>(pieces.size())});
  return pieces;
}

// The algorithm in its plainest form: look at every neighbouring pair of strings, join the one
// whose concatenation has the highest score, the leftmost of equals, until none is a piece.
std::vector<TokenId> brute_force(const std::vector<Piece>& pieces, const std::string& text) {
  std::map<std::string, TokenId> ids;
  for (size_t i = 0; i < pieces.size(); ++i) ids[pieces[i].text] = static_cast<TokenId>(i);
  std::vector<std::string> symbols;
  for (char c : " " + text) symbols.push_back(c == ' ' ? "\xE2\x96\x81" : std::string(1, c));
  for (;;) {
    int best = -1;
    float score = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      auto it = ids.find(symbols[i] + symbols[i + 1]);
      if (it == ids.end() || pieces[static_cast<size_t>(it->second)].type != PieceType::normal)
        continue;
      const float s = pieces[static_cast<size_t>(it->second)].score;
      if (best < 0 || s > score) best = static_cast<int>(i), score = s;
    }
    if (best < 0) break;
    symbols[static_cast<size_t>(best)] += symbols[static_cast<size_t>(best) + 1];
    symbols.erase(symbols.begin() + best + 1);
  }
  std::vector<TokenId> out;
  for (const std::string& s : symbols) {
    auto it = ids.find(s);
    if (it != ids.end()) {
      out.push_back(it->second);
      continue;
    }
    for (char c : s) out.push_back(3 + static_cast<uint8_t>(c));
  }
  return out;
}

TEST(SentencePiece, JoinsWhatBruteForceJoins) {
  std::mt19937 random(2);
  for (int round = 0; round < 40; ++round) {
    std::vector<Piece> pieces = base_pieces("abcd");
    std::map<std::string, bool> seen;
    // Pieces grow out of pieces; every third score is shared, so that ties are met.
    for (int i = 0; i < 60; ++i) {
      const size_t first = 259, n = pieces.size() - first;
      std::string text = pieces[first + random() % n].text + pieces[first + random() % n].text;
      if (text.size() > 24 || seen[text]) continue;
      seen[text] = true;
      pieces.push_back({text, -static_cast<float>(i / 3)});
    }
    // Characters without a piece of their own are joined all the same.
    if (round % 2 == 1) std::erase_if(pieces, [](const Piece& p) { return p.text == "c"; });
    if (round % 4 == 3) std::erase_if(pieces, [](const Piece& p) { return p.text == "d"; });
    const auto tokenizer = parse_sentence_piece(model_file(pieces), "test.model");
    for (int t = 0; t < 50; ++t) {
      std::string text;
      for (size_t n = random() % 70; n > 0; --n) text += "abcd  e"[random() % 7];
      SCOPED_TRACE(std::to_string(round) + " " + text);
      if (text.empty()) continue;
      const std::vector<TokenId> want = brute_force(pieces, text);
      EXPECT_EQ(tokenizer->encode(text).ids, want);
      IdBuffer ids;
      tokenizer->encode_ids(text, {}, ids);
      EXPECT_EQ(std::vector<TokenId>(ids.ids().begin(), ids.ids().end()), want);
    }
  }
}

TEST(SentencePiece, AnyTextComesBack) {
  std::mt19937 random(3);
  const auto tokenizer = parse_sentence_piece(model_file(base_pieces("abc")), "test.model");
  for (int t = 0; t < 300; ++t) {
    std::string text;
    for (size_t n = random() % 30; n > 0; --n)
      text += random() % 3 ? static_cast<char>(random()) : "abc "[random() % 4];
    const Encoding e = tokenizer->encode(text);
    // The library writes U+FFFD for a byte that is no UTF-8.
    std::string valid;
    for (size_t i = 0; i < text.size();) {
      const Unit u = unit_at(text, i);
      valid += u.code >= kInvalidByte ? "\xEF\xBF\xBD" : text.substr(i, u.length);
      i += u.length;
    }
    EXPECT_EQ(tokenizer->decode(e.ids), valid);
    int64_t end = 0;
    for (const ByteSpan& s : e.spans) {
      EXPECT_LE(s.begin, s.end);
      EXPECT_LE(end, s.end);
      end = s.end;
    }
    EXPECT_EQ(end, static_cast<int64_t>(text.size()));
  }
}

TEST(SentencePiece, ControlPiecesInATextStayTextUnlessAsked) {
  const auto tokenizer = parse_sentence_piece(model_file(base_pieces("<s>/")), "test.model");
  EXPECT_FALSE(tokenizer->library_parses_control());
  for (TokenId id : tokenizer->encode("a<s>b</s>").ids) EXPECT_TRUE(id < 1 || id > 2);
  const auto ids = tokenizer->encode("<s>", {.special_in_text = true}).ids;
  EXPECT_EQ(ids, std::vector<TokenId>{1});
}

TEST(SentencePiece, UserDefinedPiecesNeverJoinAndTheLongestWins) {
  std::vector<Piece> pieces = base_pieces("ab");
  pieces.push_back({"ab", -1});
  pieces.push_back({"xx", 0, PieceType::user_defined});
  pieces.push_back({"xxa", 0, PieceType::user_defined});
  pieces.push_back({"\xE2\x96\x81\xE2\x96\x81", 0, PieceType::user_defined});
  const auto tokenizer = parse_sentence_piece(model_file(pieces, 2, false), "test.model");
  const auto id = [&](const char* piece) { return *tokenizer->vocabulary().find(piece); };
  EXPECT_EQ(tokenizer->encode("xxab").ids, (std::vector<TokenId>{id("xxa"), id("b")}));
  EXPECT_EQ(tokenizer->encode("abxxb").ids, (std::vector<TokenId>{id("ab"), id("xx"), id("b")}));
  EXPECT_EQ(tokenizer->encode("a  b").ids,
            (std::vector<TokenId>{id("a"), id("\xE2\x96\x81\xE2\x96\x81"), id("b")}));
}

std::string message_of(const std::string& file) {
  try {
    parse_sentence_piece(file, "m.model");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(SentencePiece, RefusesWhatItCannotServeByName) {
  EXPECT_NE(message_of(model_file(base_pieces("a"), 9)).find("unknown"), std::string::npos);
  EXPECT_NE(message_of("").find("no pieces"), std::string::npos);
  std::vector<Piece> twice = base_pieces("a");
  twice.push_back({"a", 0});
  EXPECT_NE(message_of(model_file(twice)).find("there twice"), std::string::npos);
  std::vector<Piece> nameless = base_pieces("a");
  nameless.push_back({"0x41", 0, PieceType::byte});
  EXPECT_NE(message_of(model_file(nameless)).find("names none"), std::string::npos);
  std::vector<Piece> scoreless = base_pieces("a");
  scoreless.push_back({"aa", std::numeric_limits<float>::quiet_NaN()});
  EXPECT_NE(message_of(model_file(scoreless)).find("no number"), std::string::npos);
  const std::string mapped = model_file(base_pieces("a")) + bytes_field(3, bytes_field(2, "map"));
  EXPECT_NE(message_of(mapped).find("the normaliser: byte 0"), std::string::npos);
}

TEST(SentencePiece, EveryTruncationAndDamagedByteIsRefusedOrRead) {
  const std::string file = model_file({{"<unk>", 0, PieceType::unknown}, {"ab", -1}, {"a", -2}});
  for (size_t n = 0; n < file.size(); ++n) message_of(file.substr(0, n));
  for (size_t n = 0; n < file.size(); ++n) {
    for (int value : {0, 1, 127, 128, 255}) {
      std::string damaged = file;
      damaged[n] = static_cast<char>(value);
      message_of(damaged);
    }
  }
  const std::string huge = varint(1 << 3 | 2) + varint(uint64_t{1} << 62) + "x";
  EXPECT_NE(message_of(huge).find("4611686018427387904"), std::string::npos);
}

}  // namespace
}  // namespace tessera
