// Oracle: the network that the folder was made from, bit for bit.
#include "tessera/files/export_folder.h"

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tessera/base/atomic_file.h"
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

// Gives its parameters the names that the family's libraries have.
class Named final : public Checkpoint {
 public:
  explicit Named(std::shared_ptr<Checkpoint> source) : source_(std::move(source)) {}
  Parameter weight(const Place& place) const override {
    return named(source_->weight(place), place);
  }
  Parameter bias(const Place& place) const override { return named(source_->bias(place), place); }
  void release(const Parameter&) const override {}

 private:
  static Parameter named(Parameter p, const Place& place) {
    const std::string layer = "model.layers." + std::to_string(place.layer) + ".";
    switch (place.part) {
      case Part::token_embedding:
        p.module = "model.embed_tokens";
        break;
      case Part::final_norm:
        p.module = "model.norm";
        break;
      case Part::output:
        p.module = "lm_head";
        break;
      case Part::attention_norm:
        p.module = layer + "input_layernorm";
        break;
      case Part::ffn_norm:
        p.module = layer + "post_attention_layernorm";
        break;
      case Part::query:
        p.module = layer + "self_attn.q_proj";
        break;
      case Part::key:
        p.module = layer + "self_attn.k_proj";
        break;
      case Part::value:
        p.module = layer + "self_attn.v_proj";
        break;
      case Part::query_norm:
        p.module = layer + "self_attn.q_norm";
        break;
      case Part::key_norm:
        p.module = layer + "self_attn.k_norm";
        break;
      case Part::attention_output:
        p.module = layer + "self_attn.o_proj";
        break;
      case Part::gate:
        p.module = layer + "mlp.gate_proj";
        break;
      case Part::up:
        p.module = layer + "mlp.up_proj";
        break;
      default:
        p.module = layer + "mlp.down_proj";
    }
    return p;
  }
  std::shared_ptr<Checkpoint> source_;
};

ModelFiles named_model(const ModelDescription& d) {
  ModelFiles model = tiny_model(d, 8);
  model.checkpoint = std::make_shared<Named>(model.checkpoint);
  model.path = "tiny";
  model.chat_template = "{{ messages }}";
  return model;
}

ModelDescription of_family(const std::string& family) {
  ModelDescription d = tiny_description();
  d.family = family;
  d.tied = true;
  d.query_key_norm = family == "qwen3";
  return d;
}

class ExportFolder : public testing::Test {
 protected:
  ExportFolder() { write_file(folder_ / "t.json", R"({"model": 1})"); }
  Retyped run(const ModelFiles& model, const std::string& name, DType type) {
    return export_folder(model, [this] { return std::string(folder_ / "t.json"); }, folder_ / name,
                         {.type = type});
  }
  TemporaryFolder folder_;
};

TEST_F(ExportFolder, GivesTheSameNetwork) {
  std::vector<ModelDescription> cases = {of_family("llama"), of_family("mistral"),
                                         of_family("qwen2"), of_family("qwen3")};
  cases[1].layer[0].window = cases[1].layer[1].window = 16;
  cases.push_back(of_family("llama"));
  cases.back().tied = false;
  cases.back().rope_scaling.kind = ScalingKind::llama3;
  cases.back().rope_scaling.factor = 8;
  cases.back().rope_scaling.original_context = 64;
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    const ModelFiles model = named_model(cases[i]);
    const std::string name = "model" + std::to_string(i);
    EXPECT_EQ(run(model, name + "/", DType::f32).error, 0);
    const ModelFiles fresh = open_model(folder_ / name);
    EXPECT_EQ(fresh.chat_template, model.chat_template);
    EXPECT_EQ(fresh.tokenizer_json, std::string(folder_ / name) + "/tokenizer.json");
    const auto ids = random_ids(2, 100, cases[i].vocabulary);
    EXPECT_TRUE(same_bits(run_pieces(*load_network(fresh), ids, {}),
                          run_pieces(*load_network(model), ids, {})));
  }
}

TEST_F(ExportFolder, IsHalfTheSizeInSixteenBits) {
  const Retyped done = run(named_model(of_family("llama")), "model", DType::bf16);
  EXPECT_EQ(done.bytes * 2, done.bytes_before);
  EXPECT_GT(done.error, 1e-4);
  EXPECT_LT(done.error, 4e-3);
}

TEST_F(ExportFolder, WhatCannotBeSaidIsRefusedAndLeavesNothing) {
  expect_says(refusal([&] { run(named_model(of_family("gemma")), "a", DType::f32); }),
              "family gemma");
  expect_says(refusal([&] { run(named_model(of_family("llama")), "a", DType::q8_0); }), "q8_0");
  ModelDescription d = of_family("llama");
  d.attention_scale = 0.5;
  expect_says(refusal([&] { run(named_model(d), "a", DType::f32); }), "attention_scale of 0.5");
  d = of_family("llama");
  d.layer[1].rope_theta = 77;
  expect_says(refusal([&] { run(named_model(d), "a", DType::f32); }), "layer 1");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.unchecked"));
  std::filesystem::create_directory(folder_ / "there");
  expect_says(refusal([&] { run(named_model(of_family("llama")), "there", DType::f32); }),
              "is there already");
}

}  // namespace
}  // namespace tessera
