#include "tessera/files/memory_checkpoint.h"

#include <algorithm>

#include "tessera/base/error.h"
#include "tessera/files/assemble.h"
#include "tessera/files/family.h"

namespace tessera {
namespace {

std::string module_of(const Family& family, const Place& place) {
  const auto row = std::ranges::find_if(
      family.parts, [&](const PartName& name) { return name.part == place.part; });
  if (row == family.parts.end()) {
    throw Error("the family " + std::string(family.name),
                "has no name for a part that the description asks for");
  }
  std::string out(row->module);
  if (out.starts_with('^')) {
    out.erase(0, 1);
  } else {
    out.insert(0, family.prefix);
  }
  if (const size_t at = out.find("{}"); at != std::string::npos) {
    out.replace(at, 2, std::to_string(place.layer));
  }
  return out;
}

}  // namespace

MemoryCheckpoint::MemoryCheckpoint(const ModelDescription& d) {
  if (d.experts > 0) throw Error("a model in memory", "has experts, which are not held");
  const Family& family = find_family(d.family, "a model in memory");
  for (int64_t layer = -1; layer < d.layers; ++layer) {
    for (const Part part : all_parts()) {
      const PartShape shape =
          in_layers(part) == (layer >= 0) ? shape_of(d, part, layer) : PartShape{};
      if (shape.rows == 0) continue;
      const Place place{part, layer};
      places_.push_back(place);
      stored_[key_of(place)] = {
          module_of(family, place), shape.rows, shape.columns,
          std::vector<float>(static_cast<size_t>(shape.rows * shape.columns))};
    }
  }
}

Parameter MemoryCheckpoint::weight(const Place& place) const {
  const auto found = stored_.find(key_of(place));
  if (found == stored_.end() || place.expert >= 0) return {};
  const Stored& s = found->second;
  Parameter p;
  p.module = s.module;
  p.tensor = s.module + ".weight";
  p.rows = p.stored_rows = s.rows;
  p.columns = s.columns;
  p.data = std::as_bytes(std::span(s.values));
  return p;
}

std::span<float> MemoryCheckpoint::values(const Place& place) {
  return stored_.at(key_of(place)).values;
}

}  // namespace tessera
