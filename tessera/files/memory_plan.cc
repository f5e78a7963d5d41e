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
constexpr int64_t kChunkRows = 256;
constexpr int64_t kCacheBytes = 2;
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
  const int64_t head = (d.head_width + kHeadPadding - 1) / kHeadPadding * kHeadPadding;
  plan.cache_per_token = d.decoder ? 2 * d.layers * d.kv_heads * head * kCacheBytes : 0;
  const int64_t row = 6 * d.width + 3 * d.heads * head + 2 * d.kv_heads * head + 3 * d.ffn_width;
  plan.scratch = kChunkRows * row * 4 + (d.decoder ? d.vocabulary * 4 : 0);
  const int64_t fixed = plan.program + plan.weights + plan.scratch;
  plan.peak = fixed + plan.context * plan.cache_per_token;
  if (available > fixed) {
    plan.longest_context =
        plan.cache_per_token > 0 ? (available - fixed) / plan.cache_per_token : d.context;
  }
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
