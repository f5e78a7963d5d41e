#include "tessera/files/gguf.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/files/gguf_bytes.h"

namespace tessera {
namespace {

using test::as_bytes;
using test::Bytes;
using test::SmallGguf;

std::string message(const std::string& text) {
  try {
    GgufFile file(as_bytes(text), "m.gguf");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

#define EXPECT_SAYS(text, part) \
  EXPECT_NE(message(text).find(part), std::string::npos) << message(text)

// One entry of every value type; oracle: the bytes are written here.
SmallGguf every_type() {
  SmallGguf g;
  Bytes& m = g.metadata;
  m.string("u8").put<uint32_t>(0).put<uint8_t>(200);
  m.string("i8").put<uint32_t>(1).put<int8_t>(-3);
  m.string("u16").put<uint32_t>(2).put<uint16_t>(60'000);
  m.string("i16").put<uint32_t>(3).put<int16_t>(-30'000);
  m.string("u32").put<uint32_t>(4).put<uint32_t>(4'000'000'000);
  m.string("i32").put<uint32_t>(5).put<int32_t>(-5);
  m.string("f32").put<uint32_t>(6).put(0.5f);
  m.string("bool").put<uint32_t>(7).put<uint8_t>(1);
  m.string("text").put<uint32_t>(8).string("hello");
  m.string("words").put<uint32_t>(9).put<uint32_t>(8).put<uint64_t>(2).string("a").string("");
  m.string("u64").put<uint32_t>(10).put(std::numeric_limits<uint64_t>::max());
  m.string("i64").put<uint32_t>(11).put<int64_t>(-6);
  m.string("f64").put<uint32_t>(12).put(0.25);
  m.string("ints").put<uint32_t>(9).put<uint32_t>(5).put<uint64_t>(2).put<int32_t>(-1).put(7);
  m.string("floats").put<uint32_t>(9).put<uint32_t>(6).put<uint64_t>(1).put(1.5f);
  m.string("nested").put<uint32_t>(9).put<uint32_t>(9).put<uint64_t>(1);
  m.put<uint32_t>(0).put<uint64_t>(2).put<uint8_t>(1).put<uint8_t>(2);
  g.keys = 16;
  g.tensors = {{"a", 3}, {"b", 8}};
  return g;
}

TEST(Gguf, ReadsEveryValueTypeAndTensors) {
  std::string text = every_type().text();
  GgufFile file(as_bytes(text), "m.gguf");
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.integer("u8"), 200);
  EXPECT_EQ(file.integer("i8"), -3);
  EXPECT_EQ(file.integer("u16"), 60'000);
  EXPECT_EQ(file.integer("i16"), -30'000);
  EXPECT_EQ(file.integer("u32"), 4'000'000'000);
  EXPECT_EQ(file.integer("i32"), -5);
  EXPECT_EQ(file.number("f32"), 0.5);
  EXPECT_EQ(file.boolean("bool"), true);
  EXPECT_EQ(file.string("text"), "hello");
  EXPECT_EQ(file.strings("words"), (std::vector<std::string_view>{"a", ""}));
  EXPECT_THROW(file.integer("u64"), Error);
  EXPECT_EQ(file.integer("i64"), -6);
  EXPECT_EQ(file.number("f64"), 0.25);
  EXPECT_EQ(file.integers("ints"), (std::vector<int64_t>{-1, 7}));
  EXPECT_EQ(file.numbers("floats"), std::vector<float>{1.5f});
  EXPECT_EQ(std::get<GgufArray>(*file.find("nested")).bytes.size(), 14u);
  EXPECT_FALSE(file.find("absent"));
  EXPECT_FALSE(file.integer("absent"));
  EXPECT_TRUE(file.strings("absent").empty());
  ASSERT_EQ(file.tensors().size(), 2u);
  ASSERT_TRUE(file.tensor("b"));
  EXPECT_EQ(file.tensor("b")->shape, std::vector<int64_t>{8});
  float last;
  std::memcpy(&last, file.tensor("b")->data.data() + 28, 4);
  EXPECT_EQ(last, 7.0f);
  EXPECT_EQ(file.tensor("c"), nullptr);
}

TEST(Gguf, NamesTheKeyThatHasAnotherType) {
  std::string text = every_type().text();
  GgufFile file(as_bytes(text), "m.gguf");
  EXPECT_THROW(file.integer("text"), Error);
  EXPECT_THROW(file.string("u8"), Error);
  EXPECT_THROW(file.strings("ints"), Error);
  EXPECT_THROW(file.integers("floats"), Error);
  EXPECT_THROW(file.boolean("u8"), Error);
  EXPECT_THROW(file.number("words"), Error);
}

TEST(Gguf, RefusesEveryTruncation) {
  std::string text = every_type().text();
  size_t needed = text.size();
  // The padding behind the last tensor (8 floats, a multiple of 32) is empty.
  for (size_t size = 0; size < needed; ++size) {
    SCOPED_TRACE(size);
    std::string cut = text.substr(0, size);
    EXPECT_NE(message(cut).find("m.gguf"), std::string::npos);
  }
  EXPECT_EQ(message(text), "");
}

// Every byte of the header set to the values that damage lengths and counts: read or refused, never
// more than an Error.
TEST(Gguf, SurvivesEveryDamagedByte) {
  std::string text = every_type().text();
  for (size_t i = 0; i < text.size(); ++i) {
    for (unsigned char value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(value);
      message(damaged);
    }
  }
}

TEST(Gguf, SaysWhatAnotherFileIs) {
  EXPECT_SAYS("PK\x03\x04 and so on", "a zip archive");
  EXPECT_SAYS("<!DOCTYPE html>", "a web page");
  EXPECT_SAYS("version https://git-lfs.github.com/spec/v1", "Git LFS");
  EXPECT_SAYS("", "byte 0");
  SmallGguf g;
  g.version = 1;
  EXPECT_SAYS(g.text(), "version is 1");
  g.version = 0x03000000;
  EXPECT_SAYS(g.text(), "big-endian");
}

TEST(Gguf, BoundsCountsByTheBytesLeft) {
  for (uint64_t count : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{4'294'967'295}}) {
    SCOPED_TRACE(count);
    SmallGguf g;
    g.keys = count;
    EXPECT_SAYS(g.text(), "metadata_kv_count is " + std::to_string(count));
    EXPECT_SAYS(Bytes().raw("GGUF").put(3).put(count).put<uint64_t>(0).text(), "tensor_count");
    SmallGguf string;
    string.keys = 1;
    string.metadata.string("k").put<uint32_t>(8).put(count);
    EXPECT_SAYS(string.text(), "metadata key k");
    for (uint32_t element : {0u, 8u, 9u, 12u}) {
      SmallGguf array;
      array.keys = 1;
      array.metadata.string("k").put<uint32_t>(9).put(element).put(count);
      EXPECT_SAYS(array.text(), "metadata key k is " + std::to_string(count));
    }
  }
}

TEST(Gguf, RefusesNestingWithoutEnd) {
  SmallGguf g;
  g.keys = 1;
  g.metadata.string("k").put<uint32_t>(9);
  for (int i = 0; i < 100'000; ++i) g.metadata.put<uint32_t>(9).put<uint64_t>(1);
  EXPECT_SAYS(g.text(), "too deeply");
}

TEST(Gguf, RefusesDuplicatesAndUnknownTypes) {
  SmallGguf twice;
  twice.keys = 2;
  for (int i = 0; i < 2; ++i) twice.metadata.string("k").put<uint32_t>(0).put<uint8_t>(1);
  EXPECT_SAYS(twice.text(), "metadata key k is there twice");
  SmallGguf tensors;
  tensors.tensors = {{"a", 1}, {"a", 1}};
  EXPECT_SAYS(tensors.text(), "tensor a is there twice");
  SmallGguf unknown;
  unknown.keys = 1;
  unknown.metadata.string("k").put<uint32_t>(13).put<uint64_t>(0);
  EXPECT_SAYS(unknown.text(), "value type 13");
  SmallGguf boolean;
  boolean.keys = 1;
  boolean.metadata.string("k").put<uint32_t>(7).put<uint8_t>(2);
  EXPECT_SAYS(boolean.text(), "boolean of 2");
}

// One tensor, each field of its row damaged in turn.
std::string one_tensor(uint32_t dimensions, const std::vector<uint64_t>& shape, uint32_t type,
                       uint64_t offset, size_t data = 64) {
  Bytes out;
  out.raw("GGUF").put(3).put<uint64_t>(1).put<uint64_t>(0).string("t").put(dimensions);
  for (uint64_t size : shape) out.put(size);
  out.put(type).put(offset).pad(32);
  for (size_t i = 0; i < data; ++i) out.put<uint8_t>(0);
  return out.text();
}

TEST(Gguf, RefusesDamagedTensorRows) {
  EXPECT_EQ(message(one_tensor(1, {16}, 0, 0)), "");
  for (uint32_t n : {0u, 5u, ~0u}) EXPECT_SAYS(one_tensor(n, {16}, 0, 0), "n_dimensions");
  EXPECT_SAYS(one_tensor(1, {0}, 0, 0), "dimension 0 is 0");
  EXPECT_SAYS(one_tensor(2, {uint64_t{1} << 32, uint64_t{1} << 32}, 0, 0), "overflows");
  EXPECT_SAYS(one_tensor(1, {uint64_t{1} << 63}, 0, 0), "overflows");
  EXPECT_SAYS(one_tensor(4, {1 << 20, 1 << 20, 1 << 20, 1 << 20}, 0, 0), "overflows");
  for (uint32_t type : {4u, 31u, ~0u})
    EXPECT_SAYS(one_tensor(1, {16}, type, 0), "Tessera reads f32");
  EXPECT_SAYS(one_tensor(1, {33}, 2, 0), "blocks of 32");
  EXPECT_SAYS(one_tensor(1, {16}, 0, 1), "multiple of 32");
  EXPECT_SAYS(one_tensor(1, {16}, 0, 32), "bytes are missing");
  EXPECT_SAYS(one_tensor(1, {17}, 0, 0), "bytes are missing");
  EXPECT_SAYS(one_tensor(1, {16}, 0, ~uint64_t{31}), "bytes are missing");
}

TEST(Gguf, RefusesTensorsThatOverlap) {
  Bytes out;
  out.raw("GGUF").put(3).put<uint64_t>(2).put<uint64_t>(0);
  for (const char* name : {"a", "b"}) {
    out.string(name).put<uint32_t>(1).put<uint64_t>(16).put<uint32_t>(0);
    out.put<uint64_t>(name[0] == 'a' ? 0 : 32);
  }
  out.pad(32);
  for (int i = 0; i < 128; ++i) out.put<uint8_t>(0);
  EXPECT_SAYS(out.text(), "tensors a and b overlap");
}

TEST(Gguf, RefusesAlignmentThatIsNoPowerOfTwo) {
  for (uint32_t alignment : {0u, 3u, 33u, 1u << 31}) {
    SmallGguf g;
    g.keys = 1;
    g.metadata.string("general.alignment").put<uint32_t>(4).put(alignment);
    EXPECT_SAYS(g.text(), "general.alignment");
  }
}

class SplitGguf : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / "tessera-split";
    std::filesystem::create_directories(folder_);
    for (uint16_t i = 0; i < 3; ++i)
      write(i, 3, path(i), std::string(1, static_cast<char>('a' + i)));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(int i) const {
    return (folder_ / ("m-0000" + std::to_string(i + 1) + "-of-00003.gguf")).string();
  }
  static void write(uint16_t number, uint16_t count, const std::string& path,
                    const std::string& tensor) {
    SmallGguf g;
    g.keys = 3;
    g.metadata.string("split.no").put<uint32_t>(2).put(number);
    g.metadata.string("split.count").put<uint32_t>(2).put(count);
    g.metadata.string("split.tensors.count").put<uint32_t>(5).put<int32_t>(3);
    g.tensors = {{tensor, 4}};
    std::ofstream(path, std::ios::binary) << g.text();
  }
  static std::string fault(const std::string& path) {
    try {
      GgufFile file(path);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  std::filesystem::path folder_;
};

TEST_F(SplitGguf, AnyPartOpensTheWhole) {
  for (int i = 0; i < 3; ++i) {
    GgufFile file(path(i));
    EXPECT_EQ(file.path(), path(0));
    EXPECT_EQ(file.tensors().size(), 3u);
    EXPECT_TRUE(file.tensor("c"));
  }
}

TEST_F(SplitGguf, MissingWrongAndRenamedPartsAreNamed) {
  write(1, 3, path(2), "c");
  EXPECT_NE(fault(path(0)).find("not part 3 of 3"), std::string::npos) << fault(path(0));
  write(2, 3, path(2), "a");
  EXPECT_NE(fault(path(0)).find("earlier part"), std::string::npos) << fault(path(0));
  std::filesystem::remove(path(2));
  EXPECT_NE(fault(path(0)).find("00003-of-00003"), std::string::npos) << fault(path(0));
  std::string renamed = (folder_ / "renamed.gguf").string();
  std::filesystem::rename(path(0), renamed);
  EXPECT_NE(fault(renamed).find("its name does not say so"), std::string::npos) << fault(renamed);
  write(1, 3, path(0), "a");
  EXPECT_NE(fault(path(1)), "");
}

TEST(Gguf, ReadsTheDefaultModel) {
  const char* home = std::getenv("HOME");
  const char* named = std::getenv("TESSERA_HOME");
  std::string folder =
      named && *named ? named : std::string(home ? home : "") + "/.local/share/tessera/models";
  std::string path = folder + "/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  GgufFile file(path);
  EXPECT_EQ(file.string("general.architecture"), "llama");
  EXPECT_EQ(file.integer("llama.block_count"), 30);
  EXPECT_EQ(file.strings("tokenizer.ggml.tokens").size(), 49'152u);
  ASSERT_TRUE(file.tensor("blk.0.attn_q.weight"));
  EXPECT_EQ(file.tensor("blk.0.attn_q.weight")->type, DType::q4_1);
}

}  // namespace
}  // namespace tessera
