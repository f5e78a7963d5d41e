// Oracles: texts judged by hand, two notations of the same cuts, a tokenizer that is its own null.
#include "tessera/eval/linguistic.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tessera/text/utf8.h"
#include "tessera/tokenizer/pattern.h"
#include "tests/base/refusal.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// Roots kitap, ev, gel; the word kitaplar; affixes lar, ler, i, den, iyor.
class LinguisticMeasures : public testing::Test {
 protected:
  LinguisticMeasures() {
    folder_.write("d.aff", "SET UTF-8\n");
    folder_.write("d.dic", "1\nkitaplar\n");
    folder_.write("roots", "kitap\nev\ngel\nşın\n");
    language_.emplace(
        Language::parse("name T\nhunspell ./d\nroots roots\ncasing turkic\njoiner '\n"
                        "suffix lar ler i den iyor\nprefix ön\n",
                        folder_ / "l"));
  }
  LinguisticResult measured(const std::shared_ptr<const Tokenizer>& tokenizer,
                            const std::vector<std::string>& texts, bool strict = true) {
    LinguisticMeter meter(tokenizer, *language_, {.strict = strict});
    for (const std::string& text : texts) meter.add(text);
    return meter.finish();
  }
  test::TemporaryFolder folder_;
  std::optional<Language> language_;
};

std::shared_ptr<const Tokenizer> word_piece(const std::vector<std::string>& pieces) {
  Json vocab = Json::object();
  vocab["[UNK]"] = 0;
  for (const std::string& p : pieces) vocab[p] = vocab.size();
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", Json::array()},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                     {"post_processor", nullptr},
                     {"decoder", nullptr},
                     {"model",
                      {{"type", "WordPiece"},
                       {"unk_token", "[UNK]"},
                       {"continuing_subword_prefix", "##"},
                       {"max_input_chars_per_word", 100},
                       {"vocab", vocab}}}};
  return parse_tokenizer_json(json.dump(), "test");
}

// Byte pairs within words, over bytes or over characters: the merges are of characters.
std::shared_ptr<const Tokenizer> pairs(
    bool bytes, const std::vector<std::pair<std::string, std::string>>& merges,
    const std::string& alphabet) {
  Json vocab = Json::object(), list = Json::array();
  const auto written = [&](const std::string& text) {
    if (!bytes) return text;
    std::string out;
    for (const char c : text) append_unit(out, byte_level_character(static_cast<unsigned char>(c)));
    return out;
  };
  const auto add = [&](const std::string& piece) {
    if (!vocab.contains(piece)) vocab[piece] = vocab.size();
  };
  for (int b = 0; bytes && b < 256; ++b) add(written(std::string(1, static_cast<char>(b))));
  for (size_t i = 0; i < alphabet.size();) {
    const std::string c = alphabet.substr(i, unit_at(alphabet, i).length);
    if (bytes && c.size() == 2) list.push_back({written(c.substr(0, 1)), written(c.substr(1))});
    add(written(c));
    i += c.size();
  }
  for (const auto& [left, right] : merges) {
    list.push_back({written(left), written(right)});
    add(written(left + right));
  }
  Json cut = Json::array({{{"type", "Whitespace"}}});
  if (bytes) {
    cut.push_back({{"type", "ByteLevel"},
                   {"add_prefix_space", false},
                   {"trim_offsets", false},
                   {"use_regex", false}});
  }
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", Json::array()},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", cut}}},
                     {"post_processor", nullptr},
                     {"decoder", nullptr},
                     {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", list}}}};
  return parse_tokenizer_json(json.dump(), "test");
}

TEST(UnitClasses, AreToldApart) {
  EXPECT_EQ(class_of("ağaç"), UnitClass::word);
  EXPECT_EQ(class_of("42"), UnitClass::number);
  EXPECT_EQ(class_of("..."), UnitClass::punctuation);
  EXPECT_EQ(class_of(""), UnitClass::space);
  EXPECT_EQ(class_of("\xC5"), UnitClass::fragment);
  EXPECT_EQ(class_of("a1"), UnitClass::mixed);
  EXPECT_EQ(class_of("in the"), UnitClass::mixed);
}

TEST_F(LinguisticMeasures, AreThoseOfAHandMadeText) {
  const auto t = word_piece({"kitap", "##lar", "ev", "##lerd", "##en", "42", ","});
  const LinguisticResult r = measured(t, {"kitaplar evlerden 42 ,"});
  EXPECT_EQ(r.types.all.all, 7);
  EXPECT_EQ(r.types.words.all, 5);
  EXPECT_EQ(r.types.all.valid, 3);
  EXPECT_EQ(r.types.all.pure, 3);
  EXPECT_EQ(r.occurrences.words.valid, 3);
  EXPECT_EQ(r.words, 2);
  EXPECT_EQ(r.known_words, 1);
  // A word of the dictionary is valid, and not pure.
  const LinguisticResult whole = measured(word_piece({"kitaplar"}), {"kitaplar Kitaplar"});
  EXPECT_EQ(whole.types.all.valid, 1);
  EXPECT_EQ(whole.types.all.pure, 0);
  EXPECT_EQ(whole.classes[static_cast<size_t>(UnitClass::special)], 1);  // [UNK]
}

TEST_F(LinguisticMeasures, StrictAffixesAndRootsCountInTheirPlaceOnly) {
  const auto t = word_piece({"lar", "##ev", "x", "##lar", "ön", "##ön", "##x", "'"});
  const std::vector<std::string> texts = {"lar xev xlar önx xön x'lar"};
  const auto counts = [&](bool strict) {
    const LinguisticResult r = measured(t, texts, strict);
    return std::pair(r.occurrences.words.valid, r.occurrences.words.all);
  };
  // Valid in their place: the lar of xlar, the ön of önx, and what follows an apostrophe.
  EXPECT_EQ(counts(true), std::pair(int64_t{3}, int64_t{11}));
  EXPECT_EQ(counts(false), std::pair(int64_t{6}, int64_t{11}));
}

TEST_F(LinguisticMeasures, TheNotationOfTokensChangesNothing) {
  const std::vector<std::pair<std::string, std::string>> merges = {
      {"ş", "ı"}, {"şı", "n"}, {"l", "a"}, {"la", "r"}, {"İ", "Ğ"}, {"e", "v"}};
  const std::string alphabet = "şınlareviydİĞ";
  const std::vector<std::string> texts = {"şın şınlar evler İĞ", "ev laşın şı"};
  const LinguisticResult a = measured(pairs(true, merges, alphabet), texts);
  const LinguisticResult b = measured(pairs(false, merges, alphabet), texts);
  for (const auto counts : {&LinguisticResult::types, &LinguisticResult::occurrences,
                            &LinguisticResult::null_types, &LinguisticResult::null_occurrences}) {
    EXPECT_EQ((a.*counts).all.all, (b.*counts).all.all);
    EXPECT_EQ((a.*counts).all.valid, (b.*counts).all.valid);
    EXPECT_EQ((a.*counts).all.pure, (b.*counts).all.pure);
    EXPECT_EQ((a.*counts).words.all, (b.*counts).words.all);
  }
  EXPECT_GT(a.types.all.valid, 0);
  EXPECT_EQ(a.classes[static_cast<size_t>(UnitClass::fragment)], 0);
}

TEST_F(LinguisticMeasures, CharactersAreTheirOwnNullAndPureIsNeverAboveValid) {
  const std::vector<std::string> texts = {"evi gel kitaplar iyi i", "işin şını"};
  const LinguisticResult r = measured(pairs(false, {}, "evigelktaprışny"), texts);
  EXPECT_EQ(r.occurrences.all.all, r.null_occurrences.all.all);
  EXPECT_EQ(r.occurrences.all.valid, r.null_occurrences.all.valid);
  EXPECT_EQ(r.types.all.all, r.null_types.all.all);
  EXPECT_EQ(r.types.all.valid, r.null_types.all.valid);
  EXPECT_GT(r.occurrences.all.valid, 0);
  for (const bool strict : {true, false}) {
    const LinguisticResult l =
        measured(word_piece({"kitap", "##lar", "e", "##v", "##i", "kitaplar", "gel", "##iyor"}),
                 {"kitaplar evi geliyor gel kitap kitapi"}, strict);
    for (const auto counts : {&LinguisticResult::types, &LinguisticResult::occurrences,
                              &LinguisticResult::null_types, &LinguisticResult::null_occurrences}) {
      EXPECT_LE((l.*counts).all.pure, (l.*counts).all.valid);
      EXPECT_LE((l.*counts).all.valid, (l.*counts).words.all);
    }
  }
}

TEST_F(LinguisticMeasures, CutsAreComparedWithGoldOnes) {
  folder_.write("gold", "kitap lar\nev ler den\n\ngel\n");
  const auto gold = read_gold(folder_ / "gold");
  ASSERT_EQ(gold.size(), 3u);
  EXPECT_EQ(gold[1].word, "evlerden");
  EXPECT_EQ(gold[1].cuts, (std::vector<int64_t>{2, 5}));
  LinguisticMeter meter(word_piece({"a", "kitap", "##lar", "ev", "##lerd", "##en", "gel"}),
                        *language_);
  meter.add_gold(gold);
  const LinguisticResult r = meter.finish();
  EXPECT_EQ(r.gold_words, 3);
  EXPECT_EQ(r.boundaries.hits, 2);
  EXPECT_EQ(r.boundaries.found, 3);
  EXPECT_EQ(r.boundaries.wanted, 3);
  test::expect_says(test::refusal([&] { read_gold(folder_.write("bad", "ev\n\xFF x\n")); }),
                    "bad: line 2: is no word");
  test::expect_says(test::refusal([&] { read_gold(folder_.write("none", "\n")); }), "no word");
}

TEST_F(LinguisticMeasures, AnyBytesAreMeasured) {
  const LinguisticResult r =
      measured(pairs(true, {}, "ev"), {"\xFF\xC5", "", std::string(3000, 'e'), "ev\xC5 ev"}, false);
  EXPECT_GT(r.classes[static_cast<size_t>(UnitClass::fragment)], 0);
}

}  // namespace
}  // namespace tessera
