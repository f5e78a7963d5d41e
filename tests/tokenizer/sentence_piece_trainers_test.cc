// Oracles: tests/tokenizer/pair_merger_test.cc and unigram_learning_test.cc; here is what stands
// around them. Compared with the package: tests/parity/test_sentence_piece_training.py.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/base/random.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/sp_bpe_trainer.h"
#include "tessera/tokenizer/train/sp_unigram_trainer.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

std::string prose(uint64_t seed = 1) {
  Random random(seed);
  std::vector<std::string> words = {"na\xC3\xAFve", "\xE6\x97\xA5\xE6\x9C\xAC", "x12", "(a)",
                                    "3.5"};
  for (int i = 0; i < 200; ++i) {
    std::string word(1 + random.below(7), 'a');
    for (char& c : word) c = static_cast<char>('a' + random.below(8));
    words.push_back(word);
  }
  std::string out;
  for (int i = 0; i < 4000; ++i) {
    out += words[random.below(1 + random.below(words.size()))] + (i % 9 == 0 ? "\n" : "  ");
  }
  return out;
}

TrainedTokenizer train(const std::string& spec, const std::string& text, int64_t size,
                       std::vector<std::string> specials = {}) {
  test::TemporaryFolder folder;
  TrainingTexts texts({folder.write("t", text)}, {});
  TrainingRequest request;
  request.vocab_size = size;
  request.specials = std::move(specials);
  return make_guest<Trainer>(spec)->train(texts, request);
}

std::string fault_of(const std::string& spec, const std::string& text, int64_t size) {
  try {
    train(spec, text, size);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

// The texts of the file's pieces, field 1 in field 1 of its messages, by id.
std::vector<std::string> pieces_of(const TrainedTokenizer& made) {
  std::vector<std::string> out;
  const std::string& bytes = made.sentence_piece;
  size_t at = 0;
  const auto varint = [&] {
    size_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes[at++]);
      value |= static_cast<size_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.size() && bytes[at] == (1 << 3 | 2)) {
    ++at;
    const size_t size = varint(), next = at + size;
    ++at;
    const size_t length = varint();
    out.push_back(bytes.substr(at, length));
    at = next;
  }
  return out;
}

TEST(PieceLaw, AllowsWhatTheOptionsSay) {
  const auto allows = [](const SentencePieceTrainingOptions& options, std::string_view text) {
    return PieceLaw(options)(text);
  };
  const std::string space = "\xE2\x96\x81";
  SentencePieceTrainingOptions plain;
  EXPECT_TRUE(allows(plain, space + "the"));
  EXPECT_FALSE(allows(plain, "the" + space));
  EXPECT_FALSE(allows(plain, "a" + space + "b"));
  EXPECT_FALSE(allows(plain, space + space));
  EXPECT_FALSE(allows(plain, "a1"));
  EXPECT_TRUE(allows(plain, "12."));
  EXPECT_FALSE(allows(plain, "a\xD0\xB1"));                // Latin, Cyrillic
  EXPECT_TRUE(allows(plain, "\xE6\x97\xA5\xE3\x81\xAE"));  // Han, kana
  EXPECT_TRUE(allows(plain,
                     "a\xCC\x81"
                     "b"));  // a mark goes with any
  EXPECT_FALSE(allows(plain, std::string(17, 'a')));
  EXPECT_FALSE(allows(plain, "a\xE2\x96\x85"));
  EXPECT_TRUE(allows({.split_by_script = false}, "a\xD0\xB1"));
  EXPECT_TRUE(allows({.split_by_number = false}, "a1"));
  EXPECT_FALSE(allows({.split_digits = true}, "12"));
  EXPECT_TRUE(allows({.split_digits = true}, "1"));
  EXPECT_TRUE(allows({.split_by_space = false}, "a" + space + "b"));
  EXPECT_FALSE(allows({.split_by_space = false}, "a" + space));
  EXPECT_TRUE(allows({.space_as_suffix = true}, "a" + space));
  EXPECT_FALSE(allows({.space_as_suffix = true}, space + "a"));
  EXPECT_TRUE(allows({.space_only = true}, space + space));
}

TEST(SentencePieceTrainers, BothFilesGiveTheSameIds) {
  for (const std::string spec :
       {"sp-bpe", "sp-bpe:byte-fallback=on", "sp-unigram", "sp-unigram:byte-fallback=on",
        "sp-unigram:split-by-whitespace=off", "sp-bpe:add-dummy-prefix=off"}) {
    SCOPED_TRACE(spec);
    const auto made = train(spec, prose(), 400);
    const auto model = parse_sentence_piece(made.sentence_piece, "test");
    const auto json = parse_tokenizer_json(made.json, "test");
    const std::string other = prose(2);
    for (size_t at = 0, end = 0; at < 20000; at = end + 1) {
      end = other.find('\n', at);
      const std::string line = other.substr(at, end - at);
      ASSERT_EQ(model->encode(line).ids, json->encode(line).ids) << line;
    }
  }
}

TEST(SentencePieceTrainers, PiecesObeyTheirOptions) {
  const std::string space = "\xE2\x96\x81";
  for (const std::string name : {"sp-bpe", "sp-unigram"}) {
    SCOPED_TRACE(name);
    for (const std::string& p : pieces_of(train(
             name + ":treat-whitespace-as-suffix=on,max-sentencepiece-length=4", prose(), 300))) {
      EXPECT_TRUE(p == space || !p.starts_with(space)) << p;
      if (p[0] == '<') continue;
      size_t characters = 0;
      for (size_t i = 0; i < p.size(); i += unit_at(p, i).length) ++characters;
      EXPECT_LE(characters, 4U) << p;
    }
    bool over = false;
    for (const std::string& p :
         pieces_of(train(name + ":split-by-whitespace=off", "a b a b a b\nc a b\n", 12))) {
      over = over || p.find(space, 1) != std::string::npos;
    }
    EXPECT_TRUE(over);
    EXPECT_TRUE(train(name + ":treat-whitespace-as-suffix=on", prose(), 300).json.empty());
  }
}

TEST(SentencePieceTrainers, SpecialPiecesHaveTheIdsThatAreAskedFor) {
  for (const std::string name : {"sp-bpe", "sp-unigram"}) {
    SCOPED_TRACE(name);
    const auto made =
        train(name + ":unk-id=3,bos-id=-1,eos-id=0,pad-id=7,user-defined-symbols=ab [X]",
              prose() + "a[X]b <sep> ab\n", 300, {"<sep>", "</s>"});
    const auto pieces = pieces_of(made);
    EXPECT_EQ(pieces[0], "</s>");
    EXPECT_EQ(pieces[1], "<sep>");
    EXPECT_EQ(pieces[2], "ab");
    EXPECT_EQ(pieces[3], "<unk>");
    EXPECT_EQ(pieces[4], "[X]");
    EXPECT_EQ(pieces[7], "<pad>");
    for (size_t i = 8; i < pieces.size(); ++i) {
      EXPECT_EQ(pieces[i].find("ab"), std::string::npos) << pieces[i];
      EXPECT_EQ(pieces[i].find("[X]"), std::string::npos) << pieces[i];
    }
    const auto tokenizer = parse_sentence_piece(made.sentence_piece, "test");
    const auto ids = tokenizer->encode("c[X]abc").ids;
    EXPECT_NE(std::find(ids.begin(), ids.end(), 4), ids.end());
    EXPECT_EQ(tokenizer->decode(ids), "c[X]abc");
  }
}

TEST(SentencePieceTrainers, RareCharactersAreUnknownUnlessRequired) {
  const std::string text = prose() + "\xE2\x98\x83\n";
  const auto has = [&](const std::string& spec) {
    const auto pieces = pieces_of(train(spec, text, 300));
    return std::find(pieces.begin(), pieces.end(), "\xE2\x98\x83") != pieces.end();
  };
  for (const std::string name : {"sp-bpe", "sp-unigram"}) {
    SCOPED_TRACE(name);
    EXPECT_FALSE(has(name));
    EXPECT_TRUE(has(name + ":character-coverage=1"));
    EXPECT_TRUE(has(name + ":required-chars=\xE2\x98\x83"));
  }
}

TEST(SentencePieceTrainers, SayWhatTheyLeaveOut) {
  const std::string text = prose() + std::string(300, 'q') + "\na \xE2\x96\x85 b\n";
  for (const std::string name : {"sp-bpe", "sp-unigram"}) {
    SCOPED_TRACE(name);
    const auto made = train(name + ":max-sentence-length=200", text, 90);
    ASSERT_EQ(made.notes.size(), 2U);
    EXPECT_NE(made.notes[0].find("1 lines of more than 200 bytes"), std::string::npos);
    EXPECT_NE(made.notes[1].find("U+2585"), std::string::npos);
    EXPECT_EQ(train(name, text, 90).notes.size(), 1U);
  }
}

TEST(SentencePieceTrainers, RefuseWhatCannotBe) {
  EXPECT_NE(fault_of("sp-bpe:hard-vocab-limit=on", "ab ab\n", 5000).find("hard-vocab-limit"),
            std::string::npos);
  EXPECT_NE(fault_of("sp-bpe:bos-id=0", prose(), 300).find("bos-id 0"), std::string::npos);
  EXPECT_NE(fault_of("sp-bpe:pad-id=400", prose(), 300).find("pad-id 400"), std::string::npos);
  EXPECT_NE(fault_of("sp-bpe:pad-id=4000", "ab ab\n", 5000).find("id 4000"), std::string::npos);
  EXPECT_NE(fault_of("sp-bpe:eos-piece=<s>", prose(), 300).find("<s>"), std::string::npos);
  EXPECT_NE(fault_of("sp-unigram:user-defined-symbols=a a", prose(), 300).find("two"),
            std::string::npos);
  EXPECT_NE(fault_of("sp-unigram", " \n\t\n", 300).find("nothing to learn"), std::string::npos);
}

TEST(SentencePieceTrainers, ASampleDoesNotDependOnTheOrderOfLines) {
  std::string text, reversed;
  Random random(5);
  for (int i = 0; i < 400; ++i) {
    std::string line;
    for (int w = 0; w < 5; ++w) line += static_cast<char>('a' + random.below(6));
    line += " abc\n";
    text += line;
    reversed.insert(0, line);
  }
  const auto half = train("sp-bpe:input-share=0.5", text, 60);
  EXPECT_EQ(half.sentence_piece, train("sp-bpe:input-share=0.5", reversed, 60).sentence_piece);
  EXPECT_GT(half.words, 2 * 120);
  EXPECT_LT(half.words, 2 * 280);
}

}  // namespace
}  // namespace tessera
