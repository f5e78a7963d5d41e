// Oracles: what goes into the first layer, by hand; the plain rounding; the reading in one go.
#include "tessera/network/calibrated_rounding.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/base/pool.h"
#include "tessera/files/convert_model.h"
#include "tessera/files/error_feedback.h"
#include "tessera/files/export_gguf.h"
#include "tessera/files/gguf_model.h"
#include "tessera/files/gguf_writer.h"
#include "tessera/files/quantise.h"
#include "tessera/network/engine.h"
#include "tests/base/refusal.h"
#include "tests/base/same_bits.h"
#include "tests/base/temporary_folder.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::random_ids;
using test::run_pieces;
using test::TemporaryFolder;

constexpr int64_t kWidth = 64;

std::string vocabulary(const std::string& path) {
  GgufWriter writer(path);
  writer.set("tokenizer.ggml.tokens", std::vector<std::string_view>(96, "a"));
  writer.finish();
  return path;
}

ModelFiles opened(const std::string& path) {
  ModelFiles out;
  out.path = path;
  out.gguf = std::make_shared<const GgufFile>(path);
  const GgufModel model = open_gguf_model(out.gguf, {});
  out.description = model.description;
  out.checkpoint = model.checkpoint;
  for (const GgufTensor& t : out.gguf->tensors()) {
    out.tensors.push_back(
        {std::string(t.name), t.type, {t.shape.rbegin(), t.shape.rend()}, t.data});
  }
  return out;
}

// A tiny model in a file of its own.
ModelFiles made(const TemporaryFolder& folder) {
  ModelDescription d = test::tiny_description();
  d.family = "llama";
  const std::string path = folder / "model.gguf", tokens = vocabulary(folder / "tokens.gguf");
  export_gguf(test::tiny_model(d, 4), [&] { return tokens; }, path, {.type = DType::f32});
  return opened(path);
}

std::vector<std::vector<int32_t>> windows() {
  return {random_ids(1, 130, 96), random_ids(2, 7, 96), random_ids(3, 61, 96)};
}

Rounding rounding(const ModelFiles& model, const CalibratedRoundingOptions& options) {
  return calibrated_rounding(model, load_network(model), windows(), options);
}

std::vector<std::byte> bytes(const RowRounder& round, DType type, std::span<const float> rows) {
  std::vector<std::byte> out(
      static_cast<size_t>(bytes_of(type, static_cast<int64_t>(rows.size()))));
  round(type, rows, out);
  return out;
}

// What goes into the first layer's q, k and v.   [tokens][width]
std::vector<std::vector<double>> first_inputs(const ModelFiles& model) {
  const Parameter table = model.checkpoint->weight({Part::token_embedding});
  const auto norm = read_all(model.checkpoint->weight({Part::attention_norm, 0}));
  std::vector<std::vector<double>> out;
  for (const auto& ids : windows()) {
    for (const int32_t id : ids) {
      std::vector<float> row(kWidth);
      read_row(table, id, row);
      double squares = 0;
      for (const float x : row) squares += static_cast<double>(x) * x / kWidth;
      auto& x = out.emplace_back();
      for (size_t i = 0; i < row.size(); ++i) {
        x.push_back(row[i] / std::sqrt(squares + model.description.norm_epsilon) * norm[i]);
      }
    }
  }
  return out;
}

TEST(CalibratedRounding, WeighsColumnsByTheMeanSquareOfTheirInputs) {
  const TemporaryFolder folder;
  const ModelFiles model = made(folder);
  const auto inputs = first_inputs(model);
  std::vector<double> squares(kWidth);
  double mean = 0;
  for (const auto& x : inputs) {
    for (size_t i = 0; i < x.size(); ++i) {
      squares[i] += x[i] * x[i] / static_cast<double>(inputs.size());
      mean += x[i] * x[i] / static_cast<double>(inputs.size()) / kWidth;
    }
  }
  std::vector<float> weights;
  for (const double s : squares) weights.push_back(static_cast<float>(s + 0.01 * mean));
  const auto rows = read_all(model.checkpoint->weight({Part::value, 0}));
  std::vector<std::byte> want(static_cast<size_t>(bytes_of(DType::q4_0, std::ssize(rows))));
  quantise_weighted(DType::q4_0, rows, weights, want);
  const Rounding round = rounding(model, {});
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"}) {
    EXPECT_EQ(bytes(round(name, 0), DType::q4_0, rows), want) << name;
  }
  EXPECT_NE(bytes(round("blk.0.ffn_up.weight", 0), DType::q4_0, rows), want);
  EXPECT_FALSE(round("token_embd.weight", 0));
  EXPECT_FALSE(round("blk.0.attn_q.weight", 1));
  EXPECT_FALSE(round("none", 0));
}

TEST(CalibratedRounding, FeedsErrorsBackByTheProductsOfInputs) {
  const TemporaryFolder folder;
  const ModelFiles model = made(folder);
  std::vector<double> products(kWidth * kWidth);
  for (const auto& x : first_inputs(model)) {
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t j = 0; j < x.size(); ++j) products[i * kWidth + j] += x[i] * x[j];
    }
  }
  const ErrorFeedback want(std::vector<float>(products.begin(), products.end()), kWidth);
  const auto rows = read_all(model.checkpoint->weight({Part::query, 0}));
  const auto got =
      bytes(rounding(model, {.feedback = true})("blk.0.attn_q.weight", 0), DType::q4_1, rows);
  std::vector<float> back(rows.size());
  dequantise(DType::q4_1, got, back);
  std::vector<std::byte> own(got.size());
  want.round(DType::q4_1, rows, own);
  std::vector<float> hand(rows.size());
  dequantise(DType::q4_1, own, hand);
  // The last bits of sums may choose another code; what it costs is the same.
  double cost = 0, least = 0;
  for (size_t r = 0; r < rows.size(); r += kWidth) {
    const auto row = std::span(rows).subspan(r, kWidth);
    cost += want.cost(row, std::span(back).subspan(r, kWidth));
    least += want.cost(row, std::span(hand).subspan(r, kWidth));
  }
  EXPECT_NEAR(cost, least, 0.01 * least);
}

std::vector<std::byte> file_bytes(const std::string& path) {
  const GgufFile file(path);
  std::vector<std::byte> out;
  for (const GgufTensor& t : file.tensors()) out.insert(out.end(), t.data.begin(), t.data.end());
  return out;
}

TEST(CalibratedRounding, ThreadsAndMemoryDoNotChangeTheFile) {
  const TemporaryFolder folder;
  const ModelFiles model = made(folder);
  const std::string path = folder / "small.gguf";
  for (const bool feedback : {false, true}) {
    const auto converted = [&](int64_t memory, int64_t threads) {
      Pool::instance().set_threads(threads);
      int64_t tokens = 0;
      CalibratedRoundingOptions options{.feedback = feedback, .product_bytes = memory};
      options.progress = [&](int64_t n) { tokens += n; };
      retype_gguf(*model.gguf, path, {.type = DType::q4_0, .rounding = rounding(model, options)});
      EXPECT_EQ(tokens, 198 * (feedback && memory == 1 ? 2 : 1));
      Pool::instance().set_threads(1);
      return file_bytes(path);
    };
    const auto want = converted(1 << 30, 1);
    EXPECT_EQ(converted(1 << 30, 3), want);
    EXPECT_EQ(converted(1, 2), want);
    retype_gguf(*model.gguf, path, {.type = DType::q4_0});
    EXPECT_NE(file_bytes(path), want);
  }
}

// What the answers to the text lose.
double lost(const ModelFiles& model, const std::string& path) {
  const auto whole = load_network(model), small = load_network(opened(path));
  double sum = 0;
  for (const auto& ids : windows()) {
    const auto a = run_pieces(*whole, ids, {}), b = run_pieces(*small, ids, {});
    for (size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  }
  return sum;
}

TEST(CalibratedRounding, TheMoreItKnowsTheLessIsLost) {
  const TemporaryFolder folder;
  const ModelFiles model = made(folder);
  const std::string path = folder / "small.gguf";
  const auto with = [&](const Rounding& round) {
    retype_gguf(*model.gguf, path, {.type = DType::q4_0, .rounding = round});
    return lost(model, path);
  };
  const double plain = with({}), fed = with(rounding(model, {.feedback = true}));
  EXPECT_LT(with(rounding(model, {})), plain);
  EXPECT_LT(fed, 0.8 * plain);
}

TEST(CalibratedRounding, AnExportIsRoundedAsTheFileThatItBecomesIs) {
  const TemporaryFolder folder;
  const ModelFiles model = made(folder);
  const std::string tokens = vocabulary(folder / "tokens.gguf");
  for (const bool feedback : {false, true}) {
    const CalibratedRoundingOptions options{.feedback = feedback};
    retype_gguf(*model.gguf, folder / "a.gguf",
                {.type = DType::q4_0, .rounding = rounding(model, options)});
    export_gguf(model, [&] { return tokens; }, folder / "b.gguf",
                {.type = DType::q4_0, .rounding = rounding(model, options)});
    const GgufFile a(folder / "a.gguf"), b(folder / "b.gguf");
    for (const GgufTensor& t : a.tensors()) {
      EXPECT_TRUE(std::ranges::equal(t.data, b.tensor(t.name)->data)) << t.name;
    }
  }
}

TEST(CalibratedRounding, MixturesAreWatchedExpertByExpert) {
  ModelDescription d = test::tiny_description();
  d.experts = 4;
  d.experts_used = 1;
  for (LayerDescription& l : d.layer) l.experts = true;
  ModelFiles model = test::tiny_model(d, 9);
  // In memory all layers' tensors have one name: the first one's is found.
  const Rounding round = rounding(model, {});
  const auto name = [&](Part part, int64_t e) {
    return model.checkpoint->weight({part, 0, e}).tensor;
  };
  const auto rows = read_all(model.checkpoint->weight({Part::up, 0, 0}));
  std::vector<std::vector<std::byte>> seen;
  for (int64_t e = 0; e < d.experts; ++e) {
    const RowRounder rounder = round(name(Part::up, e), e);
    if (rounder) seen.push_back(bytes(rounder, DType::q4_0, rows));
    EXPECT_EQ(static_cast<bool>(rounder), static_cast<bool>(round(name(Part::down, e), e)));
  }
  ASSERT_GE(seen.size(), 2u);
  EXPECT_NE(seen[0], seen[1]);
  EXPECT_FALSE(round(name(Part::router, -1), 0));
}

TEST(CalibratedRounding, WhatCannotBeWatchedIsRefused) {
  const TemporaryFolder folder;
  const ModelFiles model = made(folder);
  test::expect_says(test::refusal([&] { rounding(model, {.feedback = true, .most_columns = 64}); }),
                    "has 96 columns");
}

}  // namespace
}  // namespace tessera
