#include "tessera/files/memory_plan.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "tessera/files/assemble.h"
#include "tessera/kernels/packing.h"

namespace tessera {
namespace {

constexpr int64_t kMegabyte = 1 << 20;
// The binary with its libraries, and what a token of the vocabulary takes in tables.
constexpr int64_t kProgram = 12 * kMegabyte;
constexpr int64_t kVocabularyEntry = 160;
// Rows of a prompt that pass through the layers together, and bytes of a cached number.
constexpr int64_t kChunkRows = 516;
constexpr int64_t kCacheBytes = 2;
// Touching a mapped row makes this much of the file resident.
constexpr int64_t kFaultAround = 64 << 10;
// Cache blocks pad a head to a multiple of this.
constexpr int64_t kHeadPadding = 16;

// Linear layers and the head's table; embedding rows are read where they lie in the file.
bool is_packed(const ModelDescription& d, Part part) {
  if (is_norm(part)) return false;
  if (part == Part::token_embedding) return d.decoder && d.tied;
  return part != Part::position_embedding && part != Part::token_type_embedding;
}

int64_t packed(const Parameter& p) {
  if (!p.present()) return 0;
  const Packing packing = p.transposed ? Packing::f32 : packing_of(p.type);
  return packed_bytes(packing, p.rows, p.columns);
}

int64_t first_number(const std::string& path) {
  std::ifstream file(path);
  int64_t value = -1;
  file >> value;
  return file ? value : -1;
}

// Tables that are read row by row where they lie. A tied one was read whole when it was packed.
int64_t mapped_tables(const ModelFiles& model, int64_t context) {
  const ModelDescription& d = model.description;
  int64_t bytes = 0;
  for (Part part : {Part::token_embedding, Part::position_embedding}) {
    const auto size = static_cast<int64_t>(model.checkpoint->weight({part, -1, -1}).data.size());
    bytes += is_packed(d, part) ? size : std::min(size, context * kFaultAround);
  }
  return bytes;
}

int64_t metadata_bytes(const ModelFiles& model) {
  if (!model.gguf) return 0;
  auto bytes = static_cast<int64_t>(model.gguf->file_bytes());
  for (const StoredTensor& t : model.tensors) bytes -= static_cast<int64_t>(t.data.size());
  return std::max<int64_t>(0, bytes);
}

// fp32 values that one row of a chunk holds at once: residual, norm, sums, query and result, key
// and value, gate and up, and the copies that quantised matrices read (22 bytes for 8 values).
int64_t row_bytes(const ModelDescription& d, int64_t head) {
  const int64_t queries = d.heads * head, keys = d.kv_heads * head;
  return 4 * (4 * d.width + 2 * queries + 2 * keys + 2 * d.ffn_width) +
         11 * (2 * d.width + d.ffn_width) / 4;
}

}  // namespace

int64_t packed_weight_bytes(const ModelDescription& d, const Checkpoint& checkpoint) {
  int64_t bytes = 0;
  for (Part part : all_parts()) {
    if (!in_layers(part)) {
      if (is_packed(d, part)) bytes += packed(checkpoint.weight({part, -1, -1}));
      continue;
    }
    for (int64_t layer = 0; layer < d.layers; ++layer) {
      const bool feed_forward = part == Part::gate || part == Part::up || part == Part::down;
      const bool many = feed_forward && d.layer[static_cast<size_t>(layer)].experts;
      // The experts of a layer are alike.
      const int64_t one = packed(checkpoint.weight({part, layer, many ? 0 : -1}));
      if (is_packed(d, part)) bytes += many ? one * d.experts : one;
    }
  }
  return bytes;
}

MemoryPlan plan_memory(const ModelFiles& model, int64_t context, int64_t available) {
  const ModelDescription& d = model.description;
  MemoryPlan plan;
  plan.available = available;
  plan.context = context > 0 ? context : d.context;
  plan.program = kProgram + d.vocabulary * kVocabularyEntry;
  plan.weights = packed_weight_bytes(d, *model.checkpoint);
  plan.mapped = mapped_tables(model, plan.context) + metadata_bytes(model);
  const int64_t head = (d.head_width + kHeadPadding - 1) / kHeadPadding * kHeadPadding;
  plan.cache_per_token = d.decoder ? 2 * d.layers * d.kv_heads * head * kCacheBytes : 0;
  // A prompt's vectors, sines and cosines.
  const int64_t prompt_row = 4 * (d.width + d.rotary_width);
  const int64_t chunk =
      std::min(kChunkRows, plan.context) * row_bytes(d, head) + (d.decoder ? d.vocabulary * 4 : 0);
  plan.scratch = chunk + plan.context * prompt_row;
  const int64_t fixed = plan.program + plan.weights + plan.mapped + chunk;
  const int64_t per_token = plan.cache_per_token + prompt_row;
  plan.peak = fixed + plan.context * per_token;
  if (available > fixed) plan.longest_context = (available - fixed) / per_token;
  return plan;
}

int64_t available_memory() {
  int64_t bytes = 0;
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  int64_t kilobytes;
  while (file >> name >> kilobytes) {
    std::getline(file, unit);
    if (name == "MemAvailable:") bytes = kilobytes * 1024;
  }
  const int64_t limit = first_number("/sys/fs/cgroup/memory.max");
  const int64_t used = first_number("/sys/fs/cgroup/memory.current");
  if (limit > 0 && used >= 0) bytes = std::min(bytes, std::max<int64_t>(0, limit - used));
  return bytes;
}

}  // namespace tessera
