#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/files/assemble.h"
#include "tessera/files/model.h"
#include "tests/files/gguf_bytes.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using test::Bytes;

// A folder of its own for each test, removed at its end; the environment points nowhere else.
class OpenModel : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::path(testing::TempDir()) /
        ("tessera-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "home" / "m");
    for (const char* name : {"TESSERA_HOME", "HF_HUB_CACHE", "HF_HOME", "HOME"}) {
      const char* value = std::getenv(name);
      saved_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
      unsetenv(name);
    }
    setenv("HOME", (folder_ / "nobody").c_str(), 1);
    setenv("TESSERA_HOME", (folder_ / "home").c_str(), 1);
  }
  void TearDown() override {
    for (const auto& [name, value] : saved_) {
      value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
    }
    fs::remove_all(folder_);
  }

  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  fs::path model() const { return folder_ / "home" / "m"; }

  std::string fault(const OpenOptions& options = {}) const {
    try {
      open_model(model().string(), options);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  fs::path folder_;
  std::vector<std::pair<std::string, std::optional<std::string>>> saved_;
};

// The tensors of a one-layer Llama of width 4 with 2 heads, 1 key-value head and 6 hidden units.
std::vector<std::pair<std::string, std::vector<int64_t>>> llama_tensors() {
  return {{"model.embed_tokens.weight", {8, 4}},
          {"model.layers.0.input_layernorm.weight", {4}},
          {"model.layers.0.mlp.down_proj.weight", {4, 6}},
          {"model.layers.0.mlp.gate_proj.weight", {6, 4}},
          {"model.layers.0.mlp.up_proj.weight", {6, 4}},
          {"model.layers.0.post_attention_layernorm.weight", {4}},
          {"model.layers.0.self_attn.k_proj.weight", {2, 4}},
          {"model.layers.0.self_attn.o_proj.weight", {4, 4}},
          {"model.layers.0.self_attn.q_proj.weight", {4, 4}},
          {"model.layers.0.self_attn.v_proj.weight", {2, 4}},
          {"model.norm.weight", {4}},
          {"lm_head.weight", {8, 4}}};
}

// Values count up through the file: element i of the tensor at float offset o is o + i.
std::string safetensors(const std::vector<std::pair<std::string, std::vector<int64_t>>>& tensors,
                        const std::string& type = "F32") {
  std::string header = "{";
  int64_t at = 0;
  for (const auto& [name, shape] : tensors) {
    int64_t size = 4;
    std::string dims;
    for (int64_t d : shape) {
      size *= d;
      dims += (dims.empty() ? "" : ",") + std::to_string(d);
    }
    header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          at ? "," : "", name, type, dims, at, at + size);
    at += size;
  }
  header += "}";
  Bytes out;
  out.put<uint64_t>(header.size()).raw(header);
  for (int64_t i = 0; i < at / 4; ++i) out.put(static_cast<float>(i));
  return out.text();
}

std::string llama_config(const std::string& more = "") {
  return R"({"model_type":"llama","architectures":["LlamaForCausalLM"],"vocab_size":8,)"
         R"("hidden_size":4,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,)"
         R"("intermediate_size":6,"max_position_embeddings":16,"torch_dtype":"float32")" +
         more + "}";
}

TEST_F(OpenModel, PutsTensorsInTheirPlaces) {
  write(model() / "config.json", llama_config(R"(,"eos_token_id":[2,5],"rope_theta":5000.0)"));
  write(model() / "generation_config.json", R"({"eos_token_id":7,"do_sample":true,"top_k":5})");
  write(model() / "model.safetensors", safetensors(llama_tensors()));
  ModelFiles m = open_model("m");
  EXPECT_EQ(m.description.kv_heads, 1);
  EXPECT_EQ(m.description.head_width, 2);
  EXPECT_EQ(m.description.layer.at(0).rope_theta, 5000);
  EXPECT_EQ(m.generation.stop_ids, (std::vector<int64_t>{7, 2, 5}));
  EXPECT_EQ(m.generation.top_k, 5);
  EXPECT_EQ(m.inert, (std::vector<std::string>{"architectures", "torch_dtype"}));
  Parameter norm = m.checkpoint->weight({Part::attention_norm, 0, -1});
  EXPECT_EQ(norm.module, "model.layers.0.input_layernorm");
  EXPECT_EQ(read_all(norm), (std::vector<float>{32, 33, 34, 35}));
  EXPECT_FALSE(m.checkpoint->weight({Part::query_norm, 0, -1}).present());
  EXPECT_FALSE(m.checkpoint->bias({Part::query, 0, -1}).present());
}

TEST_F(OpenModel, NamesMissingMisshapenAndStrayTensors) {
  write(model() / "config.json", llama_config());
  for (size_t i = 0; i < llama_tensors().size(); ++i) {
    auto tensors = llama_tensors();
    const std::string name = tensors[i].first;
    SCOPED_TRACE(name);
    tensors[i].second.back() += 1;
    write(model() / "model.safetensors", safetensors(tensors));
    EXPECT_NE(fault().find(name), std::string::npos) << fault();
    tensors.erase(tensors.begin() + static_cast<long>(i));
    write(model() / "model.safetensors", safetensors(tensors));
    EXPECT_NE(fault().find(name), std::string::npos) << fault();
  }
  auto more = llama_tensors();
  more.push_back({"model.layers.0.self_attn.extra.weight", {2}});
  write(model() / "model.safetensors", safetensors(more));
  EXPECT_NE(fault().find("extra.weight [2] has no part"), std::string::npos) << fault();
  OpenOptions options;
  options.assume_inert = {"model.layers.0.self_attn.extra.weight"};
  EXPECT_EQ(fault(options), "");
  more.back() = {"model.layers.0.self_attn.rotary_emb.inv_freq", {1}};
  write(model() / "model.safetensors", safetensors(more));
  EXPECT_EQ(fault(), "");
}

TEST_F(OpenModel, RefusesUnknownKeysByNameUnlessAssumedInert) {
  write(model() / "config.json", llama_config(R"(,"sparse_magic":3)"));
  write(model() / "model.safetensors", safetensors(llama_tensors()));
  EXPECT_NE(fault().find("--assume-inert sparse_magic"), std::string::npos) << fault();
  OpenOptions options;
  options.assume_inert = {"sparse_magic"};
  EXPECT_EQ(fault(options), "");
}

TEST_F(OpenModel, RefusesHostileConfigs) {
  write(model() / "model.safetensors", safetensors(llama_tensors()));
  const std::pair<const char*, const char*> rows[] = {
      {R"(,"num_hidden_layers":9223372036854775807)", "num_hidden_layers"},
      {R"(,"num_hidden_layers":0)", "num_hidden_layers"},
      {R"(,"num_attention_heads":0)", "num_attention_heads"},
      {R"(,"num_attention_heads":-2)", "num_attention_heads"},
      {R"(,"num_key_value_heads":3)", "kv_heads"},
      {R"(,"head_dim":3)", "rotary_width"},
      {R"(,"head_dim":9223372036854775807)", "head_width"},
      {R"(,"hidden_size":9223372036854775807,"head_dim":2)", "width"},
      {R"(,"intermediate_size":-1)", "ffn_width"},
      {R"(,"vocab_size":4294967296)", "vocabulary"},
      {R"(,"vocab_size":1.5)", "vocab_size"},
      {R"(,"max_position_embeddings":0)", "context"},
      {R"(,"rms_norm_eps":-1)", "norm_epsilon"},
      {R"(,"rope_theta":-5)", "rope_theta"},
      {R"(,"rope_scaling":{"type":"linear","factor":0})", "factor"},
      {R"(,"rope_scaling":{"type":"linear"})", "factor"},
      {R"(,"rope_scaling":{"type":"spiral","factor":2})", "spiral"},
      {R"(,"rope_scaling":{"type":"linear","factor":2,"twist":1})", "twist"},
      {R"(,"rope_scaling":[1])", "rope_scaling"},
      {R"(,"rope_scaling":{"type":"longrope","short_factor":[1,2],"long_factor":[1]})", "factors"},
      {R"(,"hidden_act":"tanh")", "tanh"},
      {R"(,"hidden_act":5)", "hidden_act"},
      {R"(,"is_encoder_decoder":true)", "is_encoder_decoder"},
      {R"(,"quantization_config":{"bits":4})", "quantization_config"},
      {R"(,"tessera":{"heads":"many"})", "heads"},
      {R"(,"tessera":{"headz":2})", "headz"},
      {R"(,"tessera":{"activation":"sigmoid"})", "gelu_tanh"},
  };
  for (const auto& [key, named] : rows) {
    SCOPED_TRACE(key);
    // The last of two equal keys would be ignored: put the damaged one first.
    std::string config = llama_config();
    config.insert(1, std::string(key).substr(1) + ",");
    write(model() / "config.json", config);
    EXPECT_NE(fault().find(named), std::string::npos) << fault();
  }
  for (const char* text : {"", "[]", "{", "{\"a\":", "nul", "{\"model_type\":\"zebra\"}", "{}"}) {
    write(model() / "config.json", text);
    EXPECT_NE(fault().find("config.json"), std::string::npos) << fault();
  }
}

TEST_F(OpenModel, TheTesseraObjectOverridesFields) {
  std::string config = llama_config(R"(,"tessera":{"attention_scale":0.25,"activation":"relu"})");
  write(model() / "config.json", config);
  write(model() / "model.safetensors", safetensors(llama_tensors()));
  ModelFiles m = open_model(model().string());
  EXPECT_EQ(m.description.attention_scale, 0.25);
  EXPECT_EQ(m.description.activation, Activation::relu);
}

TEST_F(OpenModel, WeightsOfWholeNumbersAreRefused) {
  write(model() / "config.json", llama_config());
  write(model() / "model.safetensors", safetensors(llama_tensors(), "I32"));
  EXPECT_NE(fault().find("whole numbers"), std::string::npos) << fault();
}

TEST_F(OpenModel, FindsShortNamesAndListsWhatThereIs) {
  write(model() / "config.json", llama_config());
  write(model() / "model.safetensors", safetensors(llama_tensors()));
  write(folder_ / "home" / "Small-135M.Q4_1.gguf", "x");
  write(folder_ / "home" / "Small-360M.gguf", "x");
  write(folder_ / "home" / "big-00001-of-00002.gguf", "x");
  write(folder_ / "home" / "big-00002-of-00002.gguf", "x");
  fs::path hub = folder_ / "nobody" / ".cache" / "huggingface" / "hub" / "models--org--name";
  write(hub / "refs" / "main", "0123abcd");
  write(hub / "snapshots" / "0123abcd" / "config.json", llama_config());
  EXPECT_EQ(resolve_model("small-135"), (folder_ / "home" / "Small-135M.Q4_1.gguf").string());
  EXPECT_EQ(resolve_model("M"), model().string());  // the whole name, not one of four that hold it
  EXPECT_EQ(resolve_model("org/name"), (hub / "snapshots" / "0123abcd").string());
  EXPECT_EQ(installed_models().size(), 5u);
  for (const auto& [name, part] : {std::pair{"small", "fits Small-135M.Q4_1, Small-360M"},
                                   std::pair{"nothing", "there are Small-135M.Q4_1"}}) {
    try {
      resolve_model(name);
      FAIL();
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  }
}

TEST_F(OpenModel, ARefThatLeadsOutOfTheCacheIsIgnored) {
  fs::path hub = folder_ / "nobody" / ".cache" / "huggingface" / "hub" / "models--org--name";
  write(hub / "refs" / "main", "../../../secret");
  write(hub / "snapshots" / "x" / "config.json", "{}");
  EXPECT_THROW(resolve_model("org/name"), Error);
}

TEST_F(OpenModel, ReadsShardsAndRefusesBrokenIndexes) {
  write(model() / "config.json", llama_config());
  auto all = llama_tensors();
  std::vector<std::pair<std::string, std::vector<int64_t>>> first(all.begin(), all.begin() + 5),
      second(all.begin() + 5, all.end());
  write(model() / "a.safetensors", safetensors(first));
  write(model() / "b.safetensors", safetensors(second));
  auto index = [&](size_t skipped, const std::string& more = "") {
    std::string map;
    for (size_t i = 0; i < all.size(); ++i) {
      if (i == skipped) continue;
      map += (map.empty() ? "\"" : ",\"") + all[i].first + "\":\"" +
             (i < 5 ? "a.safetensors" : "b.safetensors") + "\"";
    }
    return R"({"metadata":{},"weight_map":{)" + map + more + "}}";
  };
  const fs::path path = model() / "model.safetensors.index.json";
  write(path, index(99));
  EXPECT_EQ(fault(), "");
  write(path, index(3));
  EXPECT_NE(fault().find("gate_proj"), std::string::npos) << fault();
  write(path, index(99, R"(,"ghost":"a.safetensors")"));
  EXPECT_NE(fault().find("ghost"), std::string::npos) << fault();
  write(path, index(99, R"(,"ghost":"../a.safetensors")"));
  EXPECT_NE(fault().find("names no .safetensors"), std::string::npos) << fault();
  write(path, "{}");
  EXPECT_NE(fault().find("weight_map"), std::string::npos) << fault();
}

}  // namespace
}  // namespace tessera
