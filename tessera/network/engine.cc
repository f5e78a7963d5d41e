#include "tessera/network/engine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/files/weights_hash.h"
#include "tessera/network/engine_network.h"

namespace tessera {
namespace {

CacheType cache_type(CacheChoice choice, bool whole) {
  switch (choice) {
    case CacheChoice::f32:
      return CacheType::f32;
    case CacheChoice::f16:
      return CacheType::f16;
    case CacheChoice::bf16:
      return CacheType::bf16;
    case CacheChoice::q8:
      return CacheType::q8;
    case CacheChoice::automatic:
      break;
  }
  return whole ? CacheType::f32 : CacheType::f16;
}

ModelDescription served(const ModelFiles& model, int64_t context) {
  ModelDescription d = model.description;
  if (context > d.context) {
    std::string remedy = "Give at most --ctx " + std::to_string(d.context);
    if (d.position == PositionKind::rope && d.rope_scaling.kind == ScalingKind::none) {
      const int64_t factor = (context + d.context - 1) / d.context;
      remedy += ", add --rope-scaling yarn:factor=" + std::to_string(factor);
    }
    throw Error(model.path,
                "was trained for texts of up to " + std::to_string(d.context) + " tokens, not " +
                    std::to_string(context),
                remedy +
                    ", or leave it out and name a policy that serves longer texts (`tessera list "
                    "context`).");
  }
  d.rope_scaling.long_texts = context > d.rope_scaling.original_context;
  return d;
}

// The longest text, given what EngineOptions::context asks for.
int64_t served_context(const ModelDescription& d, int64_t asked) {
  if (asked > 0) return asked;
  return d.rope_scaling.kind == ScalingKind::longrope
             ? std::min(d.context, d.rope_scaling.original_context)
             : d.context;
}

}  // namespace

Engine::Engine(const ModelFiles& model, const EngineOptions& options)
    : description_(served(model, options.context)),
      checkpoint_(model.checkpoint),
      tensors_(model.tensors),
      options_(options),
      plan_(description_, *model.checkpoint, options.activations),
      table_(model.checkpoint->weight({Part::token_embedding})) {
  // Only now: the plan's angles stand on the trained window.
  description_.context = served_context(description_, options.context);
  trained_context_ = model.description.context;
  shape_.layers = description_.decoder ? description_.layers : 1;
  shape_.kv_heads = description_.kv_heads;
  shape_.head_width = description_.head_width;
  shape_.type = cache_type(options.cache, table_.type == DType::f32 || !description_.decoder);
  pool_ = std::make_shared<KvPool>(shape_);
  geometry_ = {description_.layers,
               description_.heads,
               description_.kv_heads,
               description_.head_width,
               description_.context,
               true,
               false,
               [this] {
                 std::call_once(hashed_, [this] { weights_ = weights_hash(tensors_); });
                 return weights_;
               },
               tessera::cache_bytes(shape_.type)};
  for (const LayerDescription& l : description_.layer) {
    geometry_.rotary = geometry_.rotary && description_.position == PositionKind::rope && l.rotary;
    geometry_.windowed = geometry_.windowed || l.window > 0;
  }
}

std::unique_ptr<Past> Engine::new_past(const std::string& policy) {
  return std::make_unique<EnginePast>(pool_, attached(policy), policies_);
}

// The policy itself says what it lets go of: a past is played through in steps.
int64_t Engine::cache_bytes_for(const std::string& policy, int64_t tokens, int64_t step) const {
  const auto guest = attached(policy);
  const auto blocks = [](int64_t entries) { return (entries + kBlockKeys - 1) / kBlockKeys; };
  std::vector<Run> runs;
  guest->evict(tokens, runs);
  int64_t freed = 0;
  for (const Run& r : runs) freed += std::max<int64_t>(0, r.end / kBlockKeys - blocks(r.begin));
  if (freed > 0) freed = std::max<int64_t>(0, freed - blocks(step));
  return (blocks(tokens) - freed) * shape_.layers * shape_.kv_heads * 2 * shape_.half_bytes() +
         guest->bytes_for(tokens);
}

void Engine::write_past(const Past& past, const ByteSink& sink) const {
  const auto& p = static_cast<const EnginePast&>(past);
  if (p.policy->chooses()) {
    throw Error("past", "its policy keeps lists of what it chose, which no file holds",
                "Use --context full or streaming with --cache.");
  }
  const std::array<int64_t, 1> head = {p.next_position};
  sink(std::as_bytes(std::span(head)));
  p.store.write_to(sink);
}

std::unique_ptr<Past> Engine::read_past(std::span<const std::byte> bytes,
                                        const std::string& policy) {
  auto past = std::make_unique<EnginePast>(pool_, attached(policy), policies_);
  if (bytes.size() < sizeof(int64_t)) throw Error("past", "is too short", "Make it again.");
  std::memcpy(&past->next_position, bytes.data(), sizeof(int64_t));
  past->store.read_from(bytes.subspan(sizeof(int64_t)));
  // Tables of positions are made as long as a past says that it is.
  if (past->next_position != past->store.entries()) {
    throw Error("past",
                fmt::format("ends at position {} with {} entries", past->next_position,
                            past->store.entries()),
                "Make it again.");
  }
  return past;
}

void Engine::embed(std::span<const int32_t> ids, std::span<float> out) {
  const int64_t width = description_.embedding_width;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= table_.rows) {
      throw Error("token " + std::to_string(i),
                  "id " + std::to_string(ids[i]) + " is outside the embedding table of " +
                      std::to_string(table_.rows) + " rows",
                  "The tokenizer does not belong to this model.");
    }
    std::span<float> row = out.subspan(i * static_cast<size_t>(width), static_cast<size_t>(width));
    read_row(table_, ids[i], row);
    if (!std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); })) {
      throw Error(table_.tensor, fmt::format("row {} holds a value that is not finite", ids[i]),
                  "The file is damaged, or its training diverged.");
    }
    if (description_.embedding_scale != 1) {
      for (float& x : row) x *= static_cast<float>(description_.embedding_scale);
    }
  }
}

void Engine::count_into(Profile* profile) {
  profile_ = profile;
  plan_.count_into(profile);
}

std::string Engine::arithmetic() const {
  constexpr std::array<const char*, 4> caches = {"f32", "f16", "bf16", "q8"};
  constexpr std::array<const char*, 3> bits = {"8 or 15", "15", "8"};
  return fmt::format("{} cache, activations in {} bits", caches[static_cast<size_t>(shape_.type)],
                     bits[static_cast<size_t>(options_.activations)]);
}

EngineMemory Engine::memory() const {
  return {plan_.weight_bytes(), plan_.scratch_bytes(),
          description_.decoder
              ? 2 * shape_.layers * shape_.kv_heads * shape_.half_bytes() / kBlockKeys
              : 0};
}

std::unique_ptr<ContextPolicy> Engine::attached(const std::string& policy) const {
  auto guest = make_guest<ContextPolicy>(policy);
  if (trace_) guest = traced(std::move(guest), *trace_);
  guest->attach(geometry_);
  if (guest->chooses() && shape_.type == CacheType::q8) {
    throw Error("--context " + policy, "compares with keys, which a cache of 8 bits does not give",
                "Use --cache-type f16.");
  }
  return guest;
}

std::unique_ptr<Network> load_network(const ModelFiles& model, const EngineOptions& options) {
  kernels();  // a level that this processor lacks is refused here: jobs of the pool must not throw
  return std::make_unique<Engine>(model, options);
}

std::string engine_text(const Network& network) {
  const auto* engine = dynamic_cast<const Engine*>(&network);
  return engine ? engine->arithmetic() : "";
}

void start_profile(Network& network, Profile& profile) {
  if (auto* engine = dynamic_cast<Engine*>(&network)) engine->count_into(&profile);
}

void stop_profile(Network& network) {
  if (auto* engine = dynamic_cast<Engine*>(&network)) engine->count_into(nullptr);
}

bool observe_inputs(Network& network, InputObserver* observer) {
  auto* engine = dynamic_cast<Engine*>(&network);
  if (engine) engine->observe_inputs(observer);
  return engine != nullptr;
}

void trace_selections(Network& network, SelectionSink* sink) {
  if (auto* engine = dynamic_cast<Engine*>(&network)) engine->trace_into(sink);
}

NetworkFloor floor_of(const Network& network) {
  const auto* engine = dynamic_cast<const Engine*>(&network);
  return engine ? engine->floor() : NetworkFloor{};
}

EngineMemory memory_of(const Network& network) {
  const auto* engine = dynamic_cast<const Engine*>(&network);
  return engine ? engine->memory() : EngineMemory{};
}

}  // namespace tessera
