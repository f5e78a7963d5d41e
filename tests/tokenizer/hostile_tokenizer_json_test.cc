// Damaged and hostile tokenizer.json files: each is refused with one line that names file and
// place.
#include <functional>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

using fixtures::Json;

std::string fault_of(const std::string& text) {
  try {
    parse_tokenizer_json(text, "t.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

struct Damage {
  const char* expected;  // what the line has to say
  std::function<void(Json&)> change;
};

TEST(TokenizerJson, RefusesEachDamageWithItsPlace) {
  const std::vector<Damage> rows = {
      {"t.json: the top: \"model\" is missing", [](Json& j) { j.erase("model"); }},
      {"model: the model \"Novel\" is not supported",
       [](Json& j) { j["model"]["type"] = "Novel"; }},
      {"model.vocab: is not an array", [](Json& j) { j["model"]["type"] = "Unigram"; }},
      {"model.vocab: is not an object", [](Json& j) { j["model"]["vocab"] = 3; }},
      {"model.vocab[\"x\"]: is -1", [](Json& j) { j["model"]["vocab"]["x"] = -1; }},
      {"model.vocab[\"x\"]: is 9223372036854775807",
       [](Json& j) { j["model"]["vocab"]["x"] = INT64_MAX; }},
      {"model.vocab[\"x\"]: is not a whole number",
       [](Json& j) { j["model"]["vocab"]["x"] = "1"; }},
      {"id 5 is also that of", [](Json& j) { j["model"]["vocab"]["xyz"] = 5; }},
      {"model.merges[0]: \"zz\" is no token",
       [](Json& j) { j["model"]["merges"][0] = {"zz", "e"}; }},
      {"model.merges[0]: \"ah\" is no token",
       [](Json& j) { j["model"]["merges"][0] = {"a", "h"}; }},
      {"model.merges[1]: is not a pair of strings",
       [](Json& j) { j["model"]["merges"][1] = {"a"}; }},
      {"model.merges[1]: is not two tokens", [](Json& j) { j["model"]["merges"][1] = "a b c"; }},
      {"model.merges[1]: is not a pair of strings",
       [](Json& j) { j["model"]["merges"][1] = nullptr; }},
      {"model.merges: is not an array", [](Json& j) { j["model"]["merges"] = "a b"; }},
      {"model.unk_token: <x> is no token", [](Json& j) { j["model"]["unk_token"] = "<x>"; }},
      {"model.dropout: is no number", [](Json& j) { j["model"]["dropout"] = 1.5; }},
      {"model.dropout: is no number", [](Json& j) { j["model"]["dropout"] = "0.1"; }},
      {"model: \"novel\" is not supported here", [](Json& j) { j["model"]["novel"] = 1; }},
      {"the top: \"novel\" is not supported here", [](Json& j) { j["novel"] = 1; }},
      {"normalizer: the normalizer \"Novel\" is not supported",
       [](Json& j) { j["normalizer"] = {{"type", "Novel"}}; }},
      {"normalizer: \"type\" is missing", [](Json& j) { j["normalizer"] = Json::object(); }},
      {"pre_tokenizer.pretokenizers[1]: the pre_tokenizer \"X\"",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Sequence"},
                               {"pretokenizers", {{{"type", "Digits"}}, {{"type", "X"}}}}};
       }},
      {"pre_tokenizer.pattern.Regex: column 3",
       [](Json& j) {
         j["pre_tokenizer"] = {
             {"type", "Split"}, {"pattern", {{"Regex", "(?<name>x)"}}}, {"behavior", "Isolated"}};
       }},
      {"pre_tokenizer.behavior",
       [](Json& j) {
         j["pre_tokenizer"] = {
             {"type", "Split"}, {"pattern", {{"String", "x"}}}, {"behavior", "Cut"}};
       }},
      {"decoder: the decoder \"Novel\"", [](Json& j) { j["decoder"] = {{"type", "Novel"}}; }},
      {"post_processor.cls[1]: is 9000",
       [](Json& j) {
         j["post_processor"] = {
             {"type", "BertProcessing"}, {"sep", {"a", 1}}, {"cls", {"b", 9000}}};
       }},
      {"post_processor.single",
       [](Json& j) {
         j["post_processor"] = {{"type", "TemplateProcessing"},
                                {"single", Json::array()},
                                {"special_tokens", Json::object()}};
       }},
      {"added_tokens[0]: \"content\" is missing",
       [](Json& j) { j["added_tokens"][0].erase("content"); }},
      {"added_tokens[0].id: is 4000000000",
       [](Json& j) { j["added_tokens"][0]["id"] = 4000000000; }},
      {"added_tokens[1]: id", [](Json& j) { j["added_tokens"][1]["id"] = 3; }},
      {"added_tokens[0].special: is not true or false",
       [](Json& j) { j["added_tokens"][0]["special"] = 1; }},
  };
  for (const Damage& row : rows) {
    Json json = fixtures::byte_level_json();
    row.change(json);
    std::string line = fault_of(json.dump());
    std::string plain;
    for (char c : line) plain += c;
    std::string expected = row.expected;
    // Names are shown without quotes around them.
    auto strip = [](std::string s) {
      std::erase(s, '"');
      return s;
    };
    EXPECT_NE(strip(plain).find(strip(expected)), std::string::npos)
        << expected << "\n  got: " << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(line.rfind("t.json: ", 0), 0U) << line;
  }
}

TEST(TokenizerJson, RefusesTextThatIsNoJson) {
  std::string text = fixtures::byte_level_json().dump();
  for (size_t cut = 0; cut < text.size(); cut += 1 + text.size() / 300) {
    EXPECT_EQ(fault_of(text.substr(0, cut)).rfind("t.json: ", 0), 0U) << cut;
  }
  EXPECT_NE(fault_of(std::string(100000, '[')), "accepted");
  EXPECT_NE(fault_of("{\"model\":" + std::string(5000, '[') + std::string(5000, ']') + "}"),
            "accepted");
  EXPECT_NE(fault_of("\xFF\xFE{}"), "accepted");
  EXPECT_NE(fault_of("[]"), "accepted");
}

// Nesting that JSON's own limit lets through must not exhaust the stack.
TEST(TokenizerJson, ReadsDeepSequencesWithoutFailing) {
  Json inner = {{"type", "NFC"}};
  for (int i = 0; i < 400; ++i)
    inner = {{"type", "Sequence"}, {"normalizers", Json::array({inner})}};
  Json json = fixtures::byte_level_json();
  json["normalizer"] = inner;
  EXPECT_EQ(fault_of(json.dump()), "accepted");
}

TEST(TokenizerJson, ReadsManyAddedTokensQuickly) {
  Json json = fixtures::byte_level_json();
  int64_t id = 300;
  for (int i = 0; i < 20000; ++i)
    json["added_tokens"].push_back(
        fixtures::added(id++, "<extra_" + std::to_string(i) + ">", i % 2));
  auto tokenizer = fixtures::parse(json);
  EXPECT_EQ(tokenizer->encode("<extra_19998>").ids, std::vector<TokenId>{300 + 19998});
}

// Mutations of bytes: whatever comes out, it is an Error or a tokenizer that works.
TEST(TokenizerJson, SurvivesMutatedFiles) {
  const std::string whole = fixtures::word_piece_json().dump();
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string text = whole;
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 20);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 30));
          break;
      }
    }
    try {
      auto tokenizer = parse_tokenizer_json(text, "t.json");
      tokenizer->decode(tokenizer->encode("hello [CLS] unaffable").ids);
    } catch (const Error& error) {
      EXPECT_STRNE(error.what(), "");
    }
  }
}

}  // namespace
}  // namespace tessera
