// Oracle: the network that the file was made from, bit for bit.
#include "tessera/files/export_gguf.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/files/gguf_model.h"
#include "tessera/files/gguf_writer.h"
#include "tessera/files/quantise.h"
#include "tests/base/refusal.h"
#include "tests/base/same_bits.h"
#include "tests/base/temporary_folder.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::expect_says;
using test::random_ids;
using test::refusal;
using test::run_pieces;
using test::same_bits;
using test::TemporaryFolder;
using test::tiny_description;
using test::tiny_model;

ModelDescription of_family(const std::string& family) {
  ModelDescription d = tiny_description();
  d.family = family;
  return d;
}

ModelDescription gemma(const std::string& family) {
  ModelDescription d = of_family(family);
  d.activation = Activation::gelu_tanh;
  d.norm_weight_offset = 1;
  d.embedding_scale = 8;  // of a width of 64
  d.tied = true;
  return d;
}

ModelDescription gemma2() {
  ModelDescription d = gemma("gemma2");
  d.norm_after = true;
  d.attention_scale = 0.25;  // of heads of 16
  d.attention_softcap = 50;
  d.logit_softcap = 30;
  d.layer[0].window = 20;
  return d;
}

// Five layers with windows and a base of their own before each one that sees everything.
ModelDescription gemma3() {
  ModelDescription d = gemma("gemma3_text");
  d.norm_after = true;
  d.query_key_norm = true;
  d.attention_scale = 0.25;
  d.layers = 7;
  d.layer.resize(7);
  d.rope_scaling.kind = ScalingKind::linear;
  d.rope_scaling.factor = 8;
  d.rope_scaling.original_context = 512;
  for (size_t i = 0; i < 7; ++i) {
    d.layer[i].rope_theta = 1e6;
    if (i == 5) continue;
    d.layer[i].rope_theta = 5000;
    d.layer[i].rope_scaled = false;
    d.layer[i].window = 16;
  }
  return d;
}

// As many tokens as the tiny table has rows.
std::function<std::string()> vocabulary(const std::string& path, size_t tokens = 96) {
  GgufWriter writer(path);
  const std::vector<std::string_view> names(tokens, "a");
  writer.set("tokenizer.ggml.tokens", names);
  writer.set("tokenizer.ggml.model", "gpt2");
  writer.set("general.name", "of the vocabulary");
  writer.finish();
  return [path] { return path; };
}

ModelFiles opened(const ModelFiles& source, const std::string& path) {
  const GgufModel fresh = open_gguf_model(std::make_shared<const GgufFile>(path), {});
  ModelFiles out = source;
  out.description = fresh.description;
  out.checkpoint = fresh.checkpoint;
  return out;
}

TEST(ExportGguf, GivesTheSameNetwork) {
  const TemporaryFolder folder;
  const auto tokens = vocabulary(folder / "vocabulary.gguf");
  std::vector<ModelDescription> cases = {of_family("llama"), of_family("mistral"),
                                         of_family("qwen2"), of_family("qwen3")};
  cases[3].query_key_norm = true;
  cases.push_back(of_family("llama"));
  cases.back().tied = true;
  cases.push_back(of_family("llama"));
  cases.back().rope_scaling.kind = ScalingKind::linear;
  cases.back().rope_scaling.factor = 4;
  cases.back().rope_scaling.original_context = 512;
  cases.push_back(of_family("mistral"));
  for (LayerDescription& l : cases.back().layer) l.window = 512;  // never shorter than the text
  cases.push_back(of_family("mixtral"));
  cases.back().experts = 5;
  cases.back().experts_used = 2;
  for (LayerDescription& l : cases.back().layer) l.experts = true;
  cases.push_back(of_family("phi3"));
  cases.push_back(of_family("phi3"));
  cases.back().rope_scaling.kind = ScalingKind::longrope;
  cases.back().rope_scaling.original_context = 128;
  cases.back().rope_scaling.short_factors = {1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75};
  cases.back().rope_scaling.long_factors = {1, 2, 3, 4, 5, 6, 7, 8.5};
  cases.back().rope_scaling.attention_factor = 1.1875;
  cases.push_back(gemma("gemma"));
  cases.push_back(gemma2());
  cases.push_back(gemma3());
  for (const ModelDescription& d : cases) {
    SCOPED_TRACE(d.family);
    const ModelFiles model = tiny_model(d, 21);
    const std::string path = folder / "model.gguf";
    const Retyped done = export_gguf(model, tokens, path, {.type = DType::f32});
    EXPECT_EQ(done.error, 0);
    const auto ids = random_ids(2, 40, d.vocabulary);
    EXPECT_TRUE(same_bits(run_pieces(*load_network(opened(model, path)), ids, {}),
                          run_pieces(*load_network(model), ids, {})));
    const GgufFile file(path);
    EXPECT_EQ(file.string("tokenizer.ggml.model"), "gpt2");
    EXPECT_EQ(file.string("general.name"), std::nullopt);
  }
}

TEST(ExportGguf, Llama3ScalingComesBackAsFactors) {
  const TemporaryFolder folder;
  ModelDescription d = of_family("llama");
  d.rope_scaling.kind = ScalingKind::llama3;
  d.rope_scaling.factor = 8;
  d.rope_scaling.original_context = 64;
  const ModelFiles model = tiny_model(d, 21);
  const std::string path = folder / "model.gguf";
  export_gguf(model, vocabulary(folder / "vocabulary.gguf"), path, {.type = DType::f32});
  const auto ids = random_ids(2, 200, d.vocabulary);
  const auto want = run_pieces(*load_network(model), ids, {});
  const auto got = run_pieces(*load_network(opened(model, path)), ids, {});
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-3) << i;
}

TEST(ExportGguf, MatricesGetTheTypeThatIsAsked) {
  const TemporaryFolder folder;
  const ModelFiles model = tiny_model(of_family("llama"), 21);
  const std::string path = folder / "model.gguf";
  const Retyped done =
      export_gguf(model, vocabulary(folder / "vocabulary.gguf"), path, {.type = DType::q4_1});
  EXPECT_GT(done.error, 0.01);
  EXPECT_LT(done.bytes, done.bytes_before / 4);
  const GgufFile file(path);
  EXPECT_EQ(file.tensor("blk.1.ffn_up.weight")->type, DType::q4_1);
  EXPECT_EQ(file.tensor("token_embd.weight")->type, DType::q8_0);
  EXPECT_EQ(file.tensor("blk.1.ffn_norm.weight")->type, DType::f32);
}

TEST(ExportGguf, FusedAndStackedTensorsAreRoundedMatrixByMatrix) {
  const TemporaryFolder folder;
  ModelDescription d = of_family("mixtral");
  d.experts = 3;
  d.experts_used = 2;
  for (LayerDescription& l : d.layer) l.experts = true;
  const std::string path = folder / "model.gguf";
  const auto tokens = vocabulary(folder / "vocabulary.gguf");
  std::vector<int64_t> experts;
  RetypeOptions options{.type = DType::q4_0};
  options.rounding = [&](std::string_view, int64_t number) -> RowRounder {
    experts.push_back(number);
    // Another rounding than plain, so that comparing with plain would fail.
    return [](DType type, std::span<const float> values, std::span<std::byte> out) {
      std::vector<float> half(values.begin(), values.end());
      for (float& x : half) x /= 2;
      quantise(type, half, out);
    };
  };
  export_gguf(tiny_model(d, 21), tokens, path, options);
  EXPECT_EQ(std::ranges::count(experts, 2), 2 * 3);
  const GgufFile file(path);
  EXPECT_EQ(file.tensor("blk.1.ffn_gate_exps.weight")->shape, (std::vector<int64_t>{64, 96, 3}));
  EXPECT_EQ(file.tensor("blk.1.ffn_gate_exps.weight")->type, DType::q4_0);
  EXPECT_EQ(file.tensor("blk.1.ffn_gate_inp.weight")->type, DType::f32);
  const ModelFiles phi = tiny_model(of_family("phi3"), 21);
  export_gguf(phi, tokens, path, {.type = DType::q8_0});
  const GgufFile fused(path);
  EXPECT_EQ(fused.tensor("blk.0.attn_qkv.weight")->shape, (std::vector<int64_t>{64, 128}));
  EXPECT_EQ(fused.tensor("blk.0.ffn_up.weight")->shape, (std::vector<int64_t>{64, 192}));
  EXPECT_FALSE(fused.tensor("blk.0.ffn_gate.weight"));
}

TEST(ExportGguf, RowsWithoutTokensAreUnusedTokens) {
  const TemporaryFolder folder;
  const ModelFiles model = tiny_model(of_family("qwen2"), 21);
  const std::string path = folder / "model.gguf";
  export_gguf(model, vocabulary(folder / "few.gguf", 90), path, {.type = DType::f32});
  const GgufFile file(path);
  const auto tokens = file.strings("tokenizer.ggml.tokens");
  const auto types = file.numbers("tokenizer.ggml.token_type");
  ASSERT_EQ(tokens.size(), 96U);
  ASSERT_EQ(types.size(), 96U);
  EXPECT_EQ(tokens[89], "a");
  EXPECT_EQ(types[89], 1);
  EXPECT_EQ(tokens[90], "[PAD90]");
  EXPECT_EQ(tokens[95], "[PAD95]");
  EXPECT_EQ(types[95], 5);
}

TEST(ExportGguf, WhatCannotBeSaidIsRefusedAndLeavesTheOldFile) {
  const TemporaryFolder folder;
  const auto tokens = vocabulary(folder / "vocabulary.gguf");
  const std::string path = folder / "model.gguf";
  std::ofstream(path) << "old";
  const auto refused = [&](const ModelDescription& d, const std::function<std::string()>& of) {
    return refusal([&] { export_gguf(tiny_model(d, 21), of, path, {.type = DType::f32}); });
  };
  expect_says(refused(of_family("tiny"), tokens), "family tiny");
  expect_says(refused(of_family("llama"), vocabulary(folder / "many.gguf", 97)), "97 tokens");
  ModelDescription d = of_family("mistral");
  d.layer[1].window = 100;
  expect_says(refused(d, tokens), "sliding window of 100");
  d = of_family("llama");
  d.attention_scale = 0.5;
  expect_says(refused(d, tokens), "attention_scale of 0.5");
  d = gemma2();
  d.layer[1].window = 20;
  expect_says(refused(d, tokens), "layer 1");
  d = gemma3();
  d.attention_scale = 0.3;
  expect_says(refused(d, tokens), "attention_scale of 0.3");
  d = of_family("qwen3");
  d.experts = 4;
  d.experts_used = 2;
  for (LayerDescription& l : d.layer) l.experts = true;
  expect_says(refused(d, tokens), "family qwen3 with experts");
  d = of_family("llama");
  d.layer[0].rope_theta = 77;
  expect_says(refused(d, tokens), "layer 1");
  std::stringstream left;
  left << std::ifstream(path).rdbuf();
  EXPECT_EQ(left.str(), "old");
  EXPECT_FALSE(std::filesystem::exists(path + ".unchecked"));
}

}  // namespace
}  // namespace tessera
