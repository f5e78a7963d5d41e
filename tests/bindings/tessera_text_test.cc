#include "tessera/bindings/tessera_text.h"

#include <cstring>
#include <memory>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

struct Free {
  void operator()(tessera_tokenizer* t) const { tessera_tokenizer_close(t); }
  void operator()(tessera_encoding* e) const { tessera_encoding_free(e); }
  void operator()(char* text) const { tessera_free(text); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// Where a call puts its error.
class Fault {
 public:
  ~Fault() { tessera_free(line_); }
  char** out() {
    tessera_free(line_);
    line_ = nullptr;
    return &line_;
  }
  std::string line() const { return line_ ? line_ : ""; }

 private:
  char* line_ = nullptr;
};

Owned<tessera_tokenizer> parsed(const std::string& json) {
  Fault fault;
  Owned<tessera_tokenizer> out(tessera_tokenizer_parse(json.data(), json.size(), fault.out()));
  EXPECT_EQ(fault.line(), "");
  return out;
}

std::string random_bytes(std::mt19937& random) {
  static const std::string parts[] = {"hello", "hell",     " ",  "<|a|>",
                                      "\xFF",  "\xC3\xA9", "\n", "plain"};
  std::string out;
  for (auto n = random() % 12; n > 0; --n) out += parts[random() % std::size(parts)];
  if (random() % 8 == 0) out += '\0';
  return out;
}

// Oracle: the C++ interface.
TEST(CInterface, GivesWhatTheLibraryGives) {
  const std::string json = fixtures::byte_level_json().dump();
  const auto c = parsed(json);
  const auto cpp = parse_tokenizer_json(json, "t.json");
  const Owned<tessera_encoding> found(tessera_encoding_new());
  Fault fault;
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const std::string text = random_bytes(random);
    EncodeOptions options;
    options.add_template = random() % 2 == 0;
    options.special_in_text = random() % 2 == 0;
    const uint32_t flags = (options.add_template ? 0U : TESSERA_NO_TEMPLATE) |
                           (options.special_in_text ? TESSERA_SPECIAL_IN_TEXT : 0U);
    const Encoding want = cpp->encode(text, options);
    for (uint32_t spans : {0U, TESSERA_SPANS}) {
      ASSERT_EQ(tessera_encode(c.get(), text.data(), text.size(), flags | spans, found.get(),
                               fault.out()),
                0);
      const size_t n = tessera_encoding_size(found.get());
      const int32_t* ids = tessera_encoding_ids(found.get());
      ASSERT_EQ(std::vector<TokenId>(ids, ids + n), want.ids);
      const tessera_span* at = tessera_encoding_spans(found.get());
      ASSERT_EQ(at != nullptr, spans != 0);
      for (size_t i = 0; at && i < n; ++i) {
        EXPECT_EQ(at[i].begin, want.spans[i].begin);
        EXPECT_EQ(at[i].end, want.spans[i].end);
      }
    }
    EXPECT_EQ(tessera_count(c.get(), text.data(), text.size(), flags, fault.out()),
              static_cast<int64_t>(want.ids.size()));
    for (bool keep : {false, true}) {
      size_t bytes = 0;
      const Owned<char> back(tessera_decode(c.get(), want.ids.data(), want.ids.size(),
                                            keep ? TESSERA_KEEP_CONTROL : 0U, &bytes, fault.out()));
      EXPECT_EQ(std::string(back.get(), bytes), cpp->decode(want.ids, !keep));
      EXPECT_EQ(back.get()[bytes], '\0');
    }
    EXPECT_EQ(fault.line(), "");
  }
}

TEST(CInterface, NamesTokensBothWays) {
  const std::string json = fixtures::byte_level_json().dump();
  const auto c = parsed(json);
  const auto cpp = parse_tokenizer_json(json, "t.json");
  ASSERT_EQ(tessera_vocabulary_size(c.get()), cpp->vocabulary().size());
  for (int32_t id = 0; id < cpp->vocabulary().size(); ++id) {
    size_t size = 0;
    const char* piece = tessera_token_piece(c.get(), id, &size);
    EXPECT_EQ(std::string_view(piece, size), cpp->vocabulary().piece(id));
    EXPECT_EQ(tessera_token_id(c.get(), piece, size), id);
    const char* bytes = tessera_token_bytes(c.get(), id, &size);
    EXPECT_EQ(std::string_view(bytes, size), cpp->vocabulary().bytes(id));
  }
  EXPECT_EQ(tessera_token_id(c.get(), "no such token", 13), -1);
  EXPECT_EQ(tessera_bos(c.get()), cpp->bos().value_or(-1));
  EXPECT_EQ(tessera_eos(c.get()), cpp->eos().value_or(-1));
  EXPECT_EQ(tessera_text_abi(), TESSERA_TEXT_ABI);
}

// What a caller passes is input: each row is refused in words or has an answer.
TEST(CInterface, RefusesWhatMakesNoSense) {
  const auto c = parsed(fixtures::byte_level_json().dump());
  const Owned<tessera_encoding> found(tessera_encoding_new());
  Fault fault;
  EXPECT_EQ(tessera_tokenizer_open(nullptr, fault.out()), nullptr);
  EXPECT_EQ(fault.line(), "reference: is NULL");
  EXPECT_EQ(tessera_tokenizer_open("/no/such/file.json", fault.out()), nullptr);
  EXPECT_NE(fault.line().find("/no/such/file.json"), std::string::npos);
  EXPECT_EQ(tessera_tokenizer_parse("{", 1, fault.out()), nullptr);
  EXPECT_NE(fault.line().find("tokenizer.json"), std::string::npos);
  EXPECT_EQ(tessera_encode(nullptr, "a", 1, 0, found.get(), fault.out()), -1);
  EXPECT_EQ(fault.line(), "tokenizer: is NULL");
  EXPECT_EQ(tessera_encode(c.get(), "a", 1, 0, nullptr, fault.out()), -1);
  EXPECT_EQ(fault.line(), "encoding: is NULL");
  EXPECT_EQ(tessera_encode(c.get(), nullptr, 1, 0, found.get(), fault.out()), -1);
  EXPECT_EQ(fault.line(), "text: is NULL");
  EXPECT_EQ(tessera_encode(c.get(), nullptr, 0, 0, found.get(), fault.out()), 0);
  EXPECT_EQ(fault.line(), "");
  EXPECT_EQ(tessera_encode(c.get(), "a", 1, 1U << 30, found.get(), fault.out()), -1);
  EXPECT_NE(fault.line().find("no flag here"), std::string::npos);
  EXPECT_EQ(tessera_encoding_size(found.get()), 0U);
  EXPECT_EQ(tessera_count(c.get(), "a", 1, TESSERA_SPANS, fault.out()), -1);
  size_t bytes = 7;
  const int32_t wrong[] = {-1}, beyond[] = {1 << 30};
  EXPECT_EQ(tessera_decode(c.get(), wrong, 1, 0, &bytes, fault.out()), nullptr);
  EXPECT_EQ(bytes, 0U);
  EXPECT_EQ(tessera_decode(c.get(), beyond, 1, 0, nullptr, nullptr), nullptr);
  EXPECT_EQ(tessera_decode(c.get(), nullptr, 1, 0, &bytes, fault.out()), nullptr);
  EXPECT_EQ(fault.line(), "ids: is NULL");
  EXPECT_EQ(tessera_token_piece(c.get(), -1, &bytes), nullptr);
  EXPECT_EQ(tessera_token_bytes(c.get(), 1 << 30, &bytes), nullptr);
  EXPECT_EQ(tessera_vocabulary_size(nullptr), 0);
  EXPECT_EQ(tessera_token_id(nullptr, "a", 1), -1);
  EXPECT_EQ(tessera_bos(nullptr), -1);
  EXPECT_EQ(tessera_encoding_size(nullptr), 0U);
  tessera_tokenizer_close(nullptr);
  tessera_encoding_free(nullptr);
  tessera_free(nullptr);
}

}  // namespace
}  // namespace tessera
