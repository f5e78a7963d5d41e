// A model as people have it: a .gguf file, a .safetensors file, or a folder with config.json.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tessera/files/checkpoint.h"
#include "tessera/files/gguf.h"
#include "tessera/files/model_description.h"
#include "tessera/files/stored_tensor.h"

namespace tessera {

// What generation_config.json and GGUF metadata say about sampling; absent fields are not set.
struct GenerationSettings {
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k;
  std::vector<int64_t> stop_ids;  // every end-of-sequence id that any of the files names
};

struct ModelFiles {
  std::string reference;  // what the person typed
  std::string path;       // the file or folder it resolved to
  std::string format;     // "gguf v3", "safetensors"
  ModelDescription description;
  std::shared_ptr<Checkpoint> checkpoint;
  std::vector<StoredTensor>
      tensors;  // all of the files, as stored; they live as long as checkpoint

  // Where the tokenizer is: the GGUF metadata, or a tokenizer.json beside the weights.
  std::shared_ptr<const GgufFile> gguf;  // null for safetensors
  std::string tokenizer_json;            // path, "" when there is none
  std::string chat_template;             // "" when there is none
  std::string bos_token, eos_token;      // texts as tokenizer_config.json names them
  GenerationSettings generation;
  int64_t longest_text = 0;  // of an encoder's text in tokens, template included; 0: the context
  std::vector<std::string> inert;  // keys that were read and change nothing
};

struct OpenOptions {
  // false: only what tokenizers and templates need; description, checkpoint and tensors stay empty,
  // and the weights need not be there.
  bool weights = true;
  std::vector<std::string> assume_inert;  // config keys to accept although unknown
};

// A model that a short name or org/name finds.
struct InstalledModel {
  std::string name;  // file name without .gguf, folder name, or org/name
  std::string path;
  std::string format;  // "gguf" or "safetensors"
  uint64_t bytes = 0;  // of its weights
};
// Everything in the models folder, then in the Hugging Face cache, each in alphabetical order.
std::vector<InstalledModel> installed_models();
// $TESSERA_HOME, else tessera/models in XDG's data home; may not exist.
std::string models_folder();

// Resolves `reference` as docs/models.md says: path, short name, org/name in the Hugging Face
// cache. Throws Error listing what there is when nothing matches.
std::string resolve_model(const std::string& reference);
// Opens and checks everything that headers can tell: family, shapes, tensor types and sizes.
ModelFiles open_model(const std::string& reference, const OpenOptions& options = {});

}  // namespace tessera
