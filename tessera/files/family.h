// What tells one family of models from another, as data: which part of the network each tensor
// plays, and how config.json keys become a ModelDescription.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/files/checkpoint.h"
#include "tessera/files/config.h"
#include "tessera/files/model_description.h"

namespace tessera {

// How the rows of a part stand in its stored tensor.
enum class Storage {
  plain,       // the tensor is the part
  transposed,  // [columns, rows] (GPT-2's Conv1D)
  stacked,     // query, key, value rows one after the other; or gate, then up
  stacked_transposed,
  grouped,      // for each key-value head: its query heads, its key, its value
  interleaved,  // rows of each head in the order 0, h/2, 1, h/2 + 1, .. (GGUF of rotated q and k)
  slabs,        // all experts of a layer in one tensor [experts, rows, columns]
};

struct PartName {
  Part part;
  // Without prefix and ".weight"; "{}" stands for the layer, "{e}" for the expert. "^" in front:
  // not under the prefix (heads).
  std::string_view module;
  Storage storage = Storage::plain;
};

struct Family {
  std::string_view name;        // model_type of config.json
  std::string_view prefix;      // canonical prefix of modules: "model."
  std::vector<PartName> parts;  // several names for a part: the first one that the file has
  // Tensors that may be there and change nothing; "*" stands for anything.
  std::vector<std::string_view> inert_tensors;
  std::vector<std::string_view> inert_keys;
  void (*describe)(const Config&, ModelDescription&);
};

const std::vector<Family>& families();
// Throws Error listing the families when there is no such one.
const Family& find_family(std::string_view model_type, const std::string& where);

// Config keys that change nothing about a forward pass, whatever the family.
std::span<const std::string_view> common_inert_keys();

// The description that `config` asks for; everything but its weights is checked. Adds the keys that
// were accepted without being used to `inert`.
ModelDescription describe(const Family& family, const Config& config,
                          const std::vector<std::string>& assume_inert,
                          std::vector<std::string>& inert);

// Hugging Face's name of an activation function. Throws Error listing those that are served.
Activation activation_named(const std::string& name, const std::string& where);

// Whether `text` matches `pattern`, in which "*" stands for any bytes.
bool matches(std::string_view pattern, std::string_view text);

// The describe functions, in family_decoders.cc and family_encoders.cc.
void describe_llama(const Config& c, ModelDescription& d);
void describe_smollm3(const Config& c, ModelDescription& d);
void describe_mistral(const Config& c, ModelDescription& d);
void describe_mixtral(const Config& c, ModelDescription& d);
void describe_qwen2(const Config& c, ModelDescription& d);
void describe_qwen3(const Config& c, ModelDescription& d);
void describe_gemma(const Config& c, ModelDescription& d);
void describe_gemma2(const Config& c, ModelDescription& d);
void describe_gemma3(const Config& c, ModelDescription& d);
void describe_phi3(const Config& c, ModelDescription& d);
void describe_olmo2(const Config& c, ModelDescription& d);
void describe_gpt2(const Config& c, ModelDescription& d);
void describe_gpt_neox(const Config& c, ModelDescription& d);
void describe_opt(const Config& c, ModelDescription& d);
void describe_bloom(const Config& c, ModelDescription& d);
void describe_falcon(const Config& c, ModelDescription& d);
void describe_bert(const Config& c, ModelDescription& d);
void describe_roberta(const Config& c, ModelDescription& d);
void describe_electra(const Config& c, ModelDescription& d);

// Sets d.layers and d.layer. Refuses more layers than kMostLayers.
void set_layers(const Config& c, ModelDescription& d, int64_t layers);
// Rotary positions: rope_parameters, or rope_theta with rope_scaling. Needs head_width, layers and
// context to be set.
void read_rope(const Config& c, ModelDescription& d, double standard_theta,
               double standard_partial = 1);
// The same from a rope object alone, without the keys around it.
void read_rope_object(const Config& rope, ModelDescription& d, double standard_theta);

}  // namespace tessera
