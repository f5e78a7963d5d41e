#include <filesystem>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/files/gguf_writer.h"
#include "tessera/files/safetensors.h"
#include "tessera/files/safetensors_writer.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

std::string path_of(const char* name) {
  return (fs::path(testing::TempDir()) / (std::string("tessera-writers-") + name)).string();
}

int64_t up_to(std::mt19937& random, uint32_t most) {
  return 1 + static_cast<int64_t>(random() % most);
}

std::vector<std::byte> random_bytes(std::mt19937& random, int64_t size) {
  std::vector<std::byte> out(static_cast<size_t>(size));
  for (std::byte& b : out) b = static_cast<std::byte>(random());
  return out;
}

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Oracle: the reader, which has tests of its own.
TEST(GgufWriter, WritesWhatTheReaderReads) {
  const std::string path = path_of("round.gguf");
  for (uint32_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<std::vector<std::byte>> data;
    {
      GgufWriter writer(path);
      writer.set("general.architecture", "test");
      writer.set("flag", true);
      writer.set("u32", uint32_t{7});
      writer.set("i32", int32_t{-7});
      writer.set("u64", uint64_t{1} << 40);
      writer.set("f32", 0.25f);
      const std::string_view words[] = {"a", "", "\xff\xfe"};
      writer.set("words", std::span<const std::string_view>(words));
      const int32_t numbers[] = {-1, 2};
      writer.set("numbers", std::span<const int32_t>(numbers));
      const float floats[] = {0.5f};
      writer.set("floats", std::span<const float>(floats));
      const size_t tensors = random() % 6;
      for (size_t i = 0; i < tensors; ++i) {
        const DType type = std::array{DType::f32, DType::q4_1, DType::i8}[random() % 3];
        const int64_t shape[] = {32 * up_to(random, 3), up_to(random, 5)};
        writer.declare("t" + std::to_string(i), type, shape);
        data.push_back(random_bytes(random, bytes_of(type, shape[0] * shape[1])));
      }
      // In pieces that do not end where tensors end.
      std::vector<std::byte> all;
      for (const auto& d : data) all.insert(all.end(), d.begin(), d.end());
      for (size_t at = 0; at < all.size();) {
        const size_t piece = std::min<size_t>(all.size() - at, 1 + random() % 200);
        writer.write(std::span(all).subspan(at, piece));
        at += piece;
      }
      writer.finish();
    }
    GgufFile file(path);
    EXPECT_EQ(file.string("general.architecture"), "test");
    EXPECT_EQ(file.boolean("flag"), true);
    EXPECT_EQ(file.integer("u32"), 7);
    EXPECT_EQ(file.integer("i32"), -7);
    EXPECT_EQ(file.integer("u64"), int64_t{1} << 40);
    EXPECT_EQ(file.number("f32"), 0.25);
    EXPECT_EQ(file.strings("words"), (std::vector<std::string_view>{"a", "", "\xff\xfe"}));
    EXPECT_EQ(file.integers("numbers"), (std::vector<int64_t>{-1, 2}));
    EXPECT_EQ(file.numbers("floats"), std::vector<float>{0.5f});
    ASSERT_EQ(file.tensors().size(), data.size());
    for (size_t i = 0; i < data.size(); ++i) {
      const GgufTensor* t = file.tensor("t" + std::to_string(i));
      ASSERT_TRUE(t);
      EXPECT_TRUE(std::equal(t->data.begin(), t->data.end(), data[i].begin(), data[i].end()));
    }
    // A copy of all entries and tensors is the same file.
    const std::string second = path_of("second.gguf");
    GgufWriter copy(second);
    for (const GgufEntry& e : file.entries()) copy.copy(e);
    for (const GgufTensor& t : file.tensors()) copy.declare(t.name, t.type, t.shape);
    for (const GgufTensor& t : file.tensors()) copy.write(t.data);
    copy.finish();
    EXPECT_EQ(content(path), content(second));
    fs::remove(second);
  }
  fs::remove(path);
}

TEST(GgufWriter, LeavesNoFileWhenTensorsAreMissing) {
  const std::string path = path_of("short.gguf");
  {
    GgufWriter writer(path);
    const int64_t shape[] = {4};
    writer.declare("t", DType::f32, shape);
    std::vector<std::byte> bytes(15);
    writer.write(bytes);
    EXPECT_THROW(writer.finish(), Error);
    bytes.resize(2);
    EXPECT_THROW(writer.write(bytes), Error);
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const std::string path = path_of("round.safetensors");
  for (uint32_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<std::vector<std::byte>> data;
    {
      SafetensorsWriter writer(path);
      writer.set_metadata("format", "pt");
      const size_t tensors = random() % 6;
      for (size_t i = 0; i < tensors; ++i) {
        const DType type = std::array{DType::f32, DType::bf16, DType::i64, DType::i8}[random() % 4];
        const int64_t shape[] = {up_to(random, 5), up_to(random, 7)};
        writer.declare("t\"" + std::to_string(i), type, shape);
        data.push_back(random_bytes(random, bytes_of(type, shape[0] * shape[1])));
      }
      for (const auto& d : data) writer.write(d);
      writer.finish();
    }
    Safetensors file(path);
    EXPECT_EQ(file.metadata().at("format"), "pt");
    ASSERT_EQ(file.tensors().size(), data.size());
    for (size_t i = 0; i < data.size(); ++i) {
      const StoredTensor& t = file.tensors()[i];
      EXPECT_EQ(t.name, "t\"" + std::to_string(i));
      EXPECT_TRUE(std::equal(t.data.begin(), t.data.end(), data[i].begin(), data[i].end()));
    }
  }
  fs::remove(path);
}

TEST(SafetensorsWriter, RefusesQuantisedTypesAndMissingBytes) {
  const std::string path = path_of("short.safetensors");
  {
    SafetensorsWriter writer(path);
    const int64_t shape[] = {32};
    EXPECT_THROW(writer.declare("q", DType::q4_0, shape), Error);
    writer.declare("t", DType::f32, shape);
    EXPECT_THROW(writer.declare("t", DType::f32, shape), Error);
    EXPECT_THROW(writer.finish(), Error);
  }
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace tessera
