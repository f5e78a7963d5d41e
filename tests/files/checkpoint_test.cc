#include "tessera/files/checkpoint.h"

#include <cstring>
#include <numeric>

#include <gtest/gtest.h>

#include "tessera/files/assemble.h"

namespace tessera {
namespace {

// A stored tensor whose element i is i.
struct Counting {
  std::vector<float> values;
  StoredTensor tensor;
  Counting(std::string name, std::vector<int64_t> shape) {
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    values.resize(static_cast<size_t>(n));
    std::iota(values.begin(), values.end(), 0.0f);
    tensor = {std::move(name), DType::f32, std::move(shape), std::as_bytes(std::span(values))};
  }
};

struct NoFiles final : TensorFiles {
  void release(std::span<const std::byte>) const override {}
};

// One attention block of 4 query heads of width 2 in 2 groups, model width 1: row r holds one
// value.
ModelDescription small() {
  ModelDescription d;
  d.family = "gpt_neox";
  d.vocabulary = 2;
  d.width = d.embedding_width = 1;
  d.layers = 1;
  d.layer.resize(1);
  d.heads = 4;
  d.kv_heads = 2;
  d.head_width = 2;
  d.ffn_width = 3;
  d.gated = false;
  d.norm_before = false;
  d.final_norm = false;
  d.tied = true;
  return d;
}

struct Read {
  std::vector<float> query, key, value, query_bias, key_bias;
};

Read read(const ModelDescription& d, std::vector<Counting> attention, std::vector<PartName> names) {
  std::vector<Counting> all = std::move(attention);
  all.emplace_back("e.weight", std::vector<int64_t>{2, 1});
  all.emplace_back("o.weight", std::vector<int64_t>{1, 8});
  all.emplace_back("u.weight", std::vector<int64_t>{3, 1});
  all.emplace_back("d.weight", std::vector<int64_t>{1, 3});
  names.insert(names.end(), {{Part::token_embedding, "e"},
                             {Part::attention_output, "o"},
                             {Part::up, "u"},
                             {Part::down, "d"}});
  std::vector<StoredTensor> tensors;
  for (const Counting& c : all) {
    tensors.push_back(c.tensor);
    tensors.back().data = std::as_bytes(std::span(c.values));  // of the copy, not the original
  }
  AssembleOptions options;
  options.where = "m";
  options.names = std::move(names);
  auto checkpoint =
      assemble(d, find_family("gpt_neox", "m"), tensors, std::make_shared<NoFiles>(), options);
  auto weight = [&](Part p) { return read_all(checkpoint->weight({p, 0, -1})); };
  auto bias = [&](Part p) {
    Parameter b = checkpoint->bias({p, 0, -1});
    return b.present() ? read_all(b) : std::vector<float>{};
  };
  return {weight(Part::query), weight(Part::key), weight(Part::value), bias(Part::query),
          bias(Part::key)};
}

std::vector<PartName> fused(Storage storage) {
  return {
      {Part::query, "qkv", storage}, {Part::key, "qkv", storage}, {Part::value, "qkv", storage}};
}

using Floats = std::vector<float>;

// Oracle: the layout written out by hand. Rows of the fused tensor are numbered 0 to 15.
TEST(Checkpoint, GroupedRowsAreTakenGroupByGroup) {
  Read r = read(small(), {{"qkv.weight", {16, 1}}, {"qkv.bias", {16}}}, fused(Storage::grouped));
  EXPECT_EQ(r.query, (Floats{0, 1, 2, 3, 8, 9, 10, 11}));
  EXPECT_EQ(r.key, (Floats{4, 5, 12, 13}));
  EXPECT_EQ(r.value, (Floats{6, 7, 14, 15}));
  EXPECT_EQ(r.query_bias, r.query);
  EXPECT_EQ(r.key_bias, r.key);
}

TEST(Checkpoint, StackedRowsFollowOneAnother) {
  Read r = read(small(), {{"qkv.weight", {16, 1}}, {"qkv.bias", {16}}}, fused(Storage::stacked));
  EXPECT_EQ(r.query, (Floats{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(r.key, (Floats{8, 9, 10, 11}));
  EXPECT_EQ(r.value, (Floats{12, 13, 14, 15}));
  EXPECT_EQ(r.key_bias, r.key);
}

TEST(Checkpoint, TransposedTensorsAreReadByColumns) {
  Read r = read(small(), {{"qkv.weight", {1, 16}}}, fused(Storage::stacked_transposed));
  EXPECT_EQ(r.query, (Floats{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(r.value, (Floats{12, 13, 14, 15}));
  EXPECT_TRUE(r.query_bias.empty());
}

// A head's rows were stored as 0, half, 1, half + 1, ..: stored row 2i + s is row i + s * half.
TEST(Checkpoint, InterleavedRowsAreUndone) {
  ModelDescription d = small();
  d.heads = 2;
  d.head_width = 4;
  d.kv_heads = 1;
  std::vector<Counting> tensors = {
      {"q.weight", {8, 1}}, {"k.weight", {4, 1}}, {"v.weight", {4, 1}}};
  Read r = read(d, std::move(tensors),
                {{Part::query, "q", Storage::interleaved},
                 {Part::key, "k", Storage::interleaved},
                 {Part::value, "v"}});
  EXPECT_EQ(r.query, (Floats{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(r.key, (Floats{0, 2, 1, 3}));
  EXPECT_EQ(r.value, (Floats{0, 1, 2, 3}));
}

TEST(Checkpoint, ARowAloneIsTheRowOfAll) {
  Counting stored("w", {3, 5});
  Parameter p;
  p.type = DType::f32;
  p.rows = p.stored_rows = 5;
  p.columns = 3;
  p.transposed = true;
  p.data = stored.tensor.data;
  std::vector<float> all = read_all(p), row(3);
  for (int64_t r = 0; r < 5; ++r) {
    read_row(p, r, row);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(row[i], static_cast<float>(5 * i + static_cast<size_t>(r)));
      EXPECT_EQ(all[static_cast<size_t>(r) * 3 + i], row[i]);
    }
  }
}

}  // namespace
}  // namespace tessera
