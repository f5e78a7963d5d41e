#include "apps/tessera/session.h"

#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>

#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/base/workshop.h"
#include "tessera/files/stretch.h"

namespace tessera::cli {

ModelFiles open_files(const CommonOptions& options) {
  std::optional<Stretch> stretch;
  if (!options.rope_scaling.empty()) {
    try {
      stretch = parse_stretch(options.rope_scaling);
      stretch->text = options.ctx;
    } catch (const Error& error) {
      throw WrongCommand("--rope-scaling " + error.where(), error.fault(), error.remedy());
    }
  }
  ModelFiles files =
      open_model(model_reference(options), {.weights = true, .assume_inert = options.assume_inert});
  if (stretch) stretch_positions(files.description, *stretch);
  return files;
}

std::shared_ptr<const Tokenizer> tokenizer_for(const CommonOptions& options,
                                               const ModelFiles& files) {
  auto tokenizer =
      options.tokenizer.empty() ? tokenizer_of(files) : open_tokenizer(options.tokenizer);
  const int64_t tokens = tokenizer->vocabulary().size(), rows = files.description.vocabulary;
  if (tokens > rows) {
    throw Error(options.tokenizer.empty() ? files.path : options.tokenizer,
                fmt::format("the tokenizer has {} tokens, the model's embedding table {} rows",
                            tokens, rows),
                "The tokenizer belongs to another model.");
  }
  return tokenizer;
}

namespace {

// How the engine is asked to serve.
EngineOptions engine_options(const CommonOptions& options) {
  EngineOptions engine;
  engine.context = options.ctx;
  if (options.precise) engine.activations = ActivationBits::fifteen;
  const std::pair<std::string_view, CacheChoice> choices[] = {{"f32", CacheChoice::f32},
                                                              {"f16", CacheChoice::f16},
                                                              {"bf16", CacheChoice::bf16},
                                                              {"q8", CacheChoice::q8}};
  for (const auto& [name, choice] : choices) {
    if (name == options.cache_type) engine.cache = choice;
  }
  return engine;
}

}  // namespace

std::unique_ptr<Network> network_for(const CommonOptions& options, const ModelFiles& files) {
  if (options.device.empty()) return load_network(files, engine_options(options));
  const std::pair<std::string_view, bool> engine_only[] = {
      {"--ctx", options.ctx > 0},
      {"--cache-type", !options.cache_type.empty()},
      {"--precise", options.precise}};
  for (const auto& [flag, given] : engine_only) {
    if (!given) continue;
    throw WrongCommand(std::string(flag),
                       "is the engine's; with --device libtorch computes, in fp32",
                       "Leave one of them out.");
  }
  return open_workshop().load_network(files, options.device);
}

void use_threads(const CommonOptions& options) {
  Pool::instance().set_threads(options.threads > 0 ? options.threads : available_threads());
}

Session open_session(const CommonOptions& options, const std::string& context_policy) {
  Session s;
  use_threads(options);
  s.files = open_files(options);
  s.tokenizer = tokenizer_for(options, s.files);
  s.model = std::make_unique<LanguageModel>(network_for(options, s.files), context_policy);
  return s;
}

nlohmann::ordered_json context_report(const std::string& policy, const PastCounters& c) {
  auto share = [](int64_t part, int64_t of) {
    return of > 0 ? static_cast<double>(part) / static_cast<double>(of) : 0.0;
  };
  nlohmann::ordered_json out;
  out["policy"] = policy;
  out["tokens"] = c.tokens_seen;
  out["keys_read"] = c.keys_read;
  out["keys_possible"] = c.keys_possible;
  out["attended_everything"] = c.full_steps == c.steps;
  out["steps"] = c.steps;
  out["full_steps"] = c.full_steps;
  out["decoded_steps"] = c.decoded_steps;
  out["decoded_full_steps"] = c.decoded_full_steps;
  out["keys_per_decoded_step"] = share(c.decoded_keys_read, c.decoded_steps);
  out["selections"] = c.selections;
  out["reuses"] = c.reuses;
  out["reuse_rate"] = share(c.reuses, c.selections + c.reuses);
  out["bytes_resident"] = c.bytes_resident;
  out["bytes_freed"] = c.bytes_freed;
  out["bytes_policy"] = c.bytes_policy;
  return out;
}

int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace tessera::cli
