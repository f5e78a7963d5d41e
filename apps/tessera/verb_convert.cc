#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/human.h"
#include "apps/tessera/number_checks.h"
#include "apps/tessera/session.h"
#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/files/block_grid.h"
#include "tessera/files/convert_model.h"
#include "tessera/files/export_folder.h"
#include "tessera/files/export_gguf.h"
#include "tessera/files/quantise.h"
#include "tessera/network/calibrated_rounding.h"
#include "tessera/network/engine.h"
#include "tessera/text/corpus.h"
#include "tessera/tokenizer/convert.h"
#include "tessera/tokenizer/model_tokenizer.h"

namespace tessera::cli {
namespace {

struct ConvertOptions {
  CommonOptions common;
  std::string output, type;  // "": q8_0 in a GGUF, bf16 in a folder
  std::string calibrate, round;
  int64_t calibrate_tokens = 8192;
};

// Texts of a few hundred tokens from all over the calibration text.
std::vector<std::vector<int32_t>> calibration_windows(const ConvertOptions& o,
                                                      const ModelFiles& model) {
  constexpr int64_t kWindow = 512, kLeast = 64;
  const auto tokenizer = tokenizer_for(o.common, model);
  EncodeOptions encode;
  encode.add_template = false;
  encode.special_in_text = false;
  const std::vector<int32_t> ids = tokenizer->encode(read_text(o.calibrate), encode).ids;
  const auto all = static_cast<int64_t>(ids.size());
  if (all < kLeast) {
    throw Error(o.calibrate,
                fmt::format("holds {} tokens, too few to say what inputs are like", all),
                fmt::format("Give a text of {} tokens or more; some thousands are good.", kLeast));
  }
  const int64_t size = std::min({kWindow, model.description.context - 1, all});
  const int64_t count = std::max<int64_t>(1, std::min(o.calibrate_tokens, all) / size);
  std::vector<std::vector<int32_t>> out;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = count > 1 ? (all - size) * i / (count - 1) : 0;
    auto& window = out.emplace_back();
    if (const auto bos = tokenizer->bos(); bos && tokenizer->adds_bos()) window.push_back(*bos);
    window.insert(window.end(), ids.begin() + at, ids.begin() + at + size);
  }
  return out;
}

Rounding rounding_of(const ConvertOptions& o, const ModelFiles& model, DType type) {
  if (o.calibrate.empty()) {
    if (o.round.empty()) return {};
    throw WrongCommand("--round " + o.round, "needs a text", "Add --calibrate FILE.");
  }
  if (!has_grid(type)) {
    throw WrongCommand("--calibrate " + o.calibrate,
                       fmt::format("changes nothing about {}", std::string(layout_of(type).name)),
                       "Leave it out, or take a type of six bits or fewer.");
  }
  auto windows = calibration_windows(o, model);
  EngineOptions engine;
  engine.activations = ActivationBits::fifteen;
  CalibratedRoundingOptions options;
  options.feedback = o.round == "gptq";
  return calibrated_rounding(model, load_network(model, engine), std::move(windows), options);
}

// The model's vocabulary in the other format, in a file that is made when it is asked for and gone
// with this.
class Vocabulary {
 public:
  // `end` names the format: ".gguf" or ".json".
  Vocabulary(const ConvertOptions& o, const ModelFiles& model, const char* end)
      : o_(o), model_(model), path_(o.output) {
    while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
    path_ += std::string(".vocabulary") + end;
  }
  ~Vocabulary() { std::remove(path_.c_str()); }
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  std::string operator()() const {
    const std::string own = model_.gguf ? model_.path : model_.tokenizer_json;
    const std::string& named = o_.common.tokenizer;
    const std::string from = named.empty() ? own : resolve_model(named);
    if (from.empty()) {
      throw Error(model_.path, "has no tokenizer.json", "Name one with --tokenizer.");
    }
    const std::string lost = convert_tokenizer(from, *open_tokenizer(from), path_,
                                               {.probes = 2000, .without_normaliser = true});
    if (!lost.empty()) tell(fmt::format("tessera convert: {} does not hold {}.", o_.output, lost));
    return path_;
  }

 private:
  const ConvertOptions& o_;
  const ModelFiles& model_;
  std::string path_;
};

Retyped convert_model(const ConvertOptions& o, const ModelFiles& model,
                      const RetypeOptions& options) {
  const bool gguf = o.output.ends_with(".gguf");
  if (gguf && model.gguf) return retype_gguf(*model.gguf, o.output, options);
  const Vocabulary vocabulary(o, model, gguf ? ".gguf" : ".json");
  const auto made = [&] { return vocabulary(); };
  return gguf ? export_gguf(model, made, o.output, options)
              : export_folder(model, made, o.output, options);
}

int64_t stored_bytes(const ModelFiles& model) {
  int64_t bytes = 0;
  for (const StoredTensor& t : model.tensors) bytes += static_cast<int64_t>(t.data.size());
  return bytes;
}

int convert(const ConvertOptions& o) {
  for (const char* end : {".bin", ".safetensors", ".pt", ".pth"}) {
    if (o.output.ends_with(end)) {
      throw WrongCommand("-o " + o.output, "is neither a GGUF file nor a folder",
                         "End it in .gguf, or name a folder.");
    }
  }
  use_threads(o.common);
  const ModelFiles model = open_files(o.common);
  std::error_code none;
  if (std::filesystem::equivalent(model.path, o.output, none)) {
    throw Error(o.output, "is the model itself", "Name another file.");
  }
  RetypeOptions options;
  if (!o.output.ends_with(".gguf")) options.type = DType::bf16;
  for (const DType t : writable_types()) {
    if (layout_of(t).name == o.type) options.type = t;
  }
  options.rounding = rounding_of(o, model, options.type);
  std::optional<Progress> bar;
  if (is_terminal(STDERR_FILENO)) {
    ProgressOptions shown;
    shown.label = "converting";
    shown.unit = "bytes";
    shown.total = model.gguf ? static_cast<int64_t>(model.gguf->file_bytes()) : stored_bytes(model);
    shown.sink = descriptor_sink(STDERR_FILENO);
    bar.emplace(shown);
  }
  options.progress = [&](int64_t bytes) {
    if (bar) bar->advance(bytes);
  };
  const Retyped done = convert_model(o, model, options);
  if (bar) bar->finish();
  if (o.common.json) {
    nlohmann::ordered_json out;
    out["tensors"] = done.tensors;
    out["changed"] = done.changed;
    out["bytes_before"] = done.bytes_before;
    out["bytes"] = done.bytes;
    out["relative_error"] = done.error;
    put(out.dump() + "\n");
    return kDone;
  }
  put(fmt::format("{}: {} of {} tensors changed, {} to {}, relative error of the weights {:.2g}\n",
                  o.output, done.changed, done.tensors,
                  human_bytes(static_cast<int64_t>(done.bytes_before)),
                  human_bytes(static_cast<int64_t>(done.bytes)), done.error));
  return kDone;
}

}  // namespace

Verb verb_convert() {
  return {"convert", "a model as GGUF or safetensors, with its matrices in another type",
          [](CLI::App& app) {
            auto o = std::make_shared<ConvertOptions>();
            teach(app,
                  "  tessera convert -m model.gguf -o small.gguf --type q4_1\n"
                  "  tessera convert -m folder-of-safetensors -o model.gguf --type bf16\n"
                  "  tessera convert -m model.gguf -o folder --type f16\n"
                  "Tables of tokens stay in eight bits at least; vectors stay as they are.");
            add_model(app, o->common);
            add_tokenizer(app, o->common);
            app.add_option("-o,--output", o->output, "what to write: a file .gguf, or a folder")
                ->type_name("PATH")
                ->required();
            std::vector<std::string> names;
            for (const DType t : writable_types()) names.emplace_back(layout_of(t).name);
            app.add_option(
                   "--type", o->type,
                   "f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, q4_1 or q4_0 [q8_0; of a "
                   "folder bf16]")
                ->type_name("TYPE")
                ->check(CLI::IsMember(names));
            app.add_option("--calibrate", o->calibrate,
                           "a text like those the model will read: errors that it would feel are "
                           "kept small")
                ->type_name("FILE");
            app.add_option("--round", o->round,
                           "with --calibrate: weighted (columns by the size of their inputs) or "
                           "gptq (later columns make up for earlier ones, slower) [weighted]")
                ->type_name("HOW")
                ->check(CLI::IsMember({"weighted", "gptq"}));
            app.add_option("--calibrate-tokens", o->calibrate_tokens,
                           "tokens of the text to read, from all over it [8192]")
                ->type_name("N")
                ->check(above_zero());
            add_threads(app, o->common);
            add_json(app, o->common);
            return [o] { return convert(*o); };
          }};
}

}  // namespace tessera::cli
