// Oracle: the network that the file was made from, bit for bit.
#include "tessera/files/export_gguf.h"

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
