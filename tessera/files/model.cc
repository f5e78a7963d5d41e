#include "tessera/files/model.h"

#include <algorithm>
#include <filesystem>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/files/assemble.h"
#include "tessera/files/config.h"
#include "tessera/files/family.h"
#include "tessera/files/gguf_model.h"
#include "tessera/files/pooling.h"
#include "tessera/files/safetensors.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

Config read_config(const fs::path& path) {
  MappedFile file(path.string());
  return Config(file.text(), path.string());
}

void add_stops(GenerationSettings& settings, const std::vector<int64_t>& ids) {
  for (int64_t id : ids) {
    auto& stops = settings.stop_ids;
    if (std::find(stops.begin(), stops.end(), id) == stops.end()) stops.push_back(id);
  }
}

// transformers samples only when do_sample says so; the numbers beside it are idle otherwise.
void read_generation(const Config& c, GenerationSettings& settings) {
  add_stops(settings, c.integers("eos_token_id"));
  if (!c.boolean("do_sample").value_or(false)) return;
  settings.temperature = c.number("temperature");
  settings.top_p = c.number("top_p");
  settings.min_p = c.number("min_p");
  settings.top_k = c.integer("top_k");
  settings.repetition_penalty = c.number("repetition_penalty");
}

// A token is a string or an object with its content.
std::string token_text(const Config& c, std::string_view key) {
  if (c.is_string(key)) return c.string(key).value_or("");
  const auto object = c.is_object(key) ? c.object(key) : std::nullopt;
  return object ? object->string("content").value_or("") : "";
}

void read_tokenizer_files(const fs::path& folder, ModelFiles& out) {
  if (is_file(folder / "tokenizer.json")) out.tokenizer_json = (folder / "tokenizer.json").string();
  if (is_file(folder / "tokenizer_config.json")) {
    Config c = read_config(folder / "tokenizer_config.json");
    out.bos_token = token_text(c, "bos_token");
    out.eos_token = token_text(c, "eos_token");
    if (c.is_string("chat_template")) {
      out.chat_template = c.string("chat_template").value_or("");
    } else {
      // A list of named templates; "default" is the one for plain conversations.
      for (const Config& item :
           c.has("chat_template") ? c.objects("chat_template") : std::vector<Config>{}) {
        if (item.string("name") == "default") {
          out.chat_template = item.string("template").value_or("");
        }
      }
    }
  }
  if (is_file(folder / "chat_template.jinja")) {
    out.chat_template = MappedFile((folder / "chat_template.jinja").string()).text();
  }
  if (is_file(folder / "generation_config.json")) {
    read_generation(read_config(folder / "generation_config.json"), out.generation);
  }
}

// The file or index that holds a folder's weights.
fs::path weights_of(const fs::path& folder) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
    if (is_file(folder / name)) return folder / name;
  }
  std::vector<fs::path> found;
  bool pickled = false;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".safetensors") found.push_back(entry.path());
    pickled = pickled || entry.path().extension() == ".bin";
  }
  if (found.size() == 1) return found[0];
  if (found.size() > 1) {
    throw Error(folder.string(),
                "has several .safetensors files and no model.safetensors.index.json",
                "Name the one that is meant, or get the index.");
  }
  throw Error(folder.string(), "has no model.safetensors",
              pickled ? "Its weights are pickled, which Tessera does not read; save them as "
                        "safetensors."
                      : "Get the weights as well.");
}

// Gemma 3 with eyes wraps the language model's settings.
Config language_part(const Config& config) {
  if (config.string("model_type") == "gemma3" && config.is_object("text_config")) {
    return config.object("text_config").value_or(config);
  }
  return config;
}

void open_folder(const fs::path& folder, const fs::path& weights, const OpenOptions& options,
                 ModelFiles& out) {
  out.format = "safetensors";
  read_tokenizer_files(folder, out);
  if (!is_file(folder / "config.json")) {
    if (!options.weights && !out.tokenizer_json.empty()) return;
    throw Error(folder.string(), "has no config.json", "Name a model's folder or a .gguf file.");
  }
  Config whole = read_config(folder / "config.json");
  Config config = language_part(whole);
  add_stops(out.generation, whole.integers("eos_token_id"));
  add_stops(out.generation, config.integers("eos_token_id"));
  if (!options.weights) return;

  auto type = config.string("model_type");
  if (!type) config.refuse("model_type", "is missing");
  const Family& family = find_family(*type == "gemma3" ? "gemma3_text" : *type, config.where());
  out.description = describe(family, config, options.assume_inert, out.inert);
  if (!out.description.decoder) {
    read_pooling(folder.string(), out.description);
    out.longest_text = read_longest_text(folder.string());
  }

  auto files =
      std::make_shared<Safetensors>((weights.empty() ? weights_of(folder) : weights).string());
  out.tensors = files->tensors();
  AssembleOptions assembling;
  assembling.where = out.path;
  assembling.names = family.parts;
  assembling.inert_tensors = family.inert_tensors;
  if (whole.string("model_type") == "gemma3") {
    assembling.inert_tensors.insert(assembling.inert_tensors.end(),
                                    {"*vision_tower.*", "*multi_modal_projector.*"});
  }
  assembling.assume_inert = options.assume_inert;
  out.checkpoint = assemble(out.description, family, out.tensors, files, assembling);
}

std::string token_of(const GgufFile& file, const char* key) {
  auto id = file.integer(key);
  if (!id || *id < 0) return "";
  auto tokens = file.strings("tokenizer.ggml.tokens");
  return static_cast<size_t>(*id) < tokens.size() ? std::string(tokens[static_cast<size_t>(*id)])
                                                  : "";
}

void open_gguf(const std::string& path, const OpenOptions& options, ModelFiles& out) {
  auto file = std::make_shared<const GgufFile>(path);
  out.gguf = file;
  out.format = "gguf v" + std::to_string(file->version());
  out.chat_template = file->string("tokenizer.chat_template").value_or("");
  out.bos_token = token_of(*file, "tokenizer.ggml.bos_token_id");
  out.eos_token = token_of(*file, "tokenizer.ggml.eos_token_id");
  GenerationSettings& g = out.generation;
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                          "tokenizer.ggml.eom_token_id"}) {
    if (auto id = file->integer(key)) add_stops(g, {*id});
  }
  g.temperature = file->number("general.sampling.temp");
  g.top_k = file->integer("general.sampling.top_k");
  g.top_p = file->number("general.sampling.top_p");
  g.min_p = file->number("general.sampling.min_p");
  g.repetition_penalty = file->number("general.sampling.penalty_repeat");
  if (!options.weights) return;
  GgufModel model = open_gguf_model(file, options.assume_inert);
  out.description = std::move(model.description);
  out.tensors = std::move(model.tensors);
  out.checkpoint = std::move(model.checkpoint);
  out.inert = std::move(model.inert);
}

// The one GGUF model of a folder without config.json; "" when there is none.
std::string only_gguf(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    std::string name = entry.path().filename().string();
    bool later_part =
        name.find("-of-") != std::string::npos && name.find("-00001-of-") == std::string::npos;
    if (entry.path().extension() == ".gguf" && !later_part) found.push_back(entry.path().string());
  }
  if (found.size() > 1) {
    std::sort(found.begin(), found.end());
    std::string list;
    for (const auto& path : found) list += (list.empty() ? "" : ", ") + path;
    throw Error(folder.string(), "holds several models: " + list, "Name one of them.");
  }
  return found.empty() ? "" : found[0];
}

}  // namespace

ModelFiles open_model(const std::string& reference, const OpenOptions& options) {
  ModelFiles out;
  out.reference = reference;
  out.path = resolve_model(reference);
  const fs::path path = out.path;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    std::string gguf = is_file(path / "config.json") ? "" : only_gguf(path);
    if (gguf.empty()) {
      open_folder(path, "", options, out);
    } else {
      out.path = gguf;
      open_gguf(gguf, options, out);
    }
  } else if (path.extension() == ".safetensors") {
    open_folder(path.has_parent_path() ? path.parent_path() : ".", path, options, out);
  } else if (path.extension() == ".json") {
    throw Error(out.path, "is a JSON file, not a model",
                "Name the folder that it is in, or a .gguf file.");
  } else {
    open_gguf(out.path, options, out);
  }
  return out;
}

}  // namespace tessera
