#include "tessera/files/convert_model.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/files/gguf_writer.h"
#include "tessera/files/quantise.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

struct Made {
  std::string name;
  DType type;
  std::vector<int64_t> shape;  // fastest first
  std::vector<float> values;
};

std::vector<Made> tensors() {
  std::mt19937_64 random(1);
  std::normal_distribution<float> draw;
  std::vector<Made> out = {{"token_embd.weight", DType::f32, {64, 10}, {}},
                           {"blk.0.attn_q.weight", DType::f32, {96, 7}, {}},
                           {"blk.0.odd.weight", DType::f32, {33, 4}, {}},
                           {"blk.0.ffn_gate_inp.weight", DType::f32, {64, 4}, {}},
                           {"blk.0.attn_norm.weight", DType::f32, {64}, {}},
                           {"blk.0.ffn_up.weight", DType::q4_1, {64, 5}, {}},
                           {"blk.0.experts.weight", DType::bf16, {32, 3, 2}, {}}};
  for (Made& t : out) {
    int64_t n = 1;
    for (const int64_t s : t.shape) n *= s;
    t.values.resize(static_cast<size_t>(n));
    for (float& x : t.values) x = draw(random);
  }
  return out;
}

void write(const std::string& path, const std::vector<Made>& all) {
  GgufWriter writer(path);
  writer.set("general.architecture", "toy");
  writer.set("general.file_type", uint32_t{0});
  writer.set("general.alignment", uint32_t{32});
  writer.set("split.count", uint32_t{1});
  writer.set("toy.name", "kept");
  for (const Made& t : all) writer.declare(t.name, t.type, t.shape);
  for (const Made& t : all) {
    std::vector<std::byte> bytes(
        static_cast<size_t>(bytes_of(t.type, static_cast<int64_t>(t.values.size()))));
    quantise(t.type, t.values, bytes);
    writer.write(bytes);
  }
  writer.finish();
}

std::vector<float> values(const GgufFile& file, const std::string& name) {
  const GgufTensor* t = file.tensor(name);
  int64_t n = 1;
  for (const int64_t s : t->shape) n *= s;
  std::vector<float> out(static_cast<size_t>(n));
  dequantise(t->type, t->data, out);
  return out;
}

// Oracle: quantise() of dequantise(), tensor by tensor.
TEST(RetypeGguf, MatricesGetTheTypeAndTheRestStaysAsItIs) {
  test::TemporaryFolder folder;
  write(folder / "a.gguf", tensors());
  const GgufFile old(folder / "a.gguf");
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::q4_0, DType::q4_1,
                           DType::q5_0, DType::q5_1, DType::q8_0}) {
    SCOPED_TRACE(layout_of(type).name);
    const Retyped done = retype_gguf(old, folder / "b.gguf", {.type = type});
    const GgufFile fresh(folder / "b.gguf");
    EXPECT_EQ(fresh.string("toy.name"), "kept");
    EXPECT_FALSE(fresh.find("split.count"));
    EXPECT_EQ(fresh.integer("general.alignment"), 32);
    ASSERT_EQ(fresh.tensors().size(), old.tensors().size());
    const bool blocks = layout_of(type).block_elements > 1;
    int64_t changed = 0;
    uint64_t bytes = 0;
    for (const GgufTensor& was : old.tensors()) {
      SCOPED_TRACE(was.name);
      const GgufTensor& is = *fresh.tensor(was.name);
      DType wanted = type;
      if (was.shape.size() == 1 || was.name.find("gate_inp") != std::string_view::npos ||
          (was.shape[0] == 33 && blocks))
        wanted = was.type;
      if (was.name == "token_embd.weight" && blocks) wanted = DType::q8_0;
      EXPECT_EQ(is.type, wanted);
      EXPECT_EQ(is.shape, was.shape);
      changed += is.type != was.type;
      bytes += is.data.size();
      const auto before = values(old, std::string(was.name));
      std::vector<std::byte> expected(is.data.size());
      if (is.type == was.type) {
        expected.assign(was.data.begin(), was.data.end());
      } else {
        quantise(is.type, before, expected);
      }
      EXPECT_TRUE(std::ranges::equal(is.data, expected));
    }
    EXPECT_EQ(done.changed, changed);
    EXPECT_EQ(done.bytes, bytes);
    EXPECT_EQ(done.error == 0, type == DType::f32);
  }
}

TEST(RetypeGguf, WeightsThatAreNoFiniteNumbersAreRefusedByName) {
  test::TemporaryFolder folder;
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), 1e30f}) {
    for (const size_t which : {1, 4}) {
      if (which == 4 && bad == 1e30f) continue;  // a vector keeps its type
      auto all = tensors();
      all[which].values[40] = bad;
      write(folder / "a.gguf", all);
      try {
        retype_gguf(GgufFile(folder / "a.gguf"), folder / "b.gguf", {.type = DType::f16});
        ADD_FAILURE() << "was converted";
      } catch (const Error& error) {
        const std::string line = error.what();
        EXPECT_NE(line.find(all[which].name + ": row 0, column 40"), std::string::npos) << line;
      }
      EXPECT_EQ(folder.files(), 1u);
    }
  }
}

TEST(RetypeGguf, TypesThatAreOnlyReadAndFoldersThatAreNotThereAreRefused) {
  test::TemporaryFolder folder;
  write(folder / "a.gguf", tensors());
  const GgufFile file(folder / "a.gguf");
  EXPECT_THROW(retype_gguf(file, folder / "b.gguf", {.type = DType::q2_k}), Error);
  EXPECT_THROW(retype_gguf(file, folder / "none/b.gguf", {}), Error);
  EXPECT_EQ(folder.files(), 1u);
}

}  // namespace
}  // namespace tessera
