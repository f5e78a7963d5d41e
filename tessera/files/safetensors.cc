#include "tessera/files/safetensors.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include <simdjson.h>

#include "tessera/base/error.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

// The format's own bound on a header.
constexpr uint64_t kMostHeader = 100'000'000;
constexpr size_t kMostDimensions = 16;

std::optional<DType> type_named(std::string_view name) {
  if (name == "F32") return DType::f32;
  if (name == "F16") return DType::f16;
  if (name == "BF16") return DType::bf16;
  if (name == "F64") return DType::f64;
  if (name == "I8") return DType::i8;
  if (name == "I16") return DType::i16;
  if (name == "I32") return DType::i32;
  if (name == "I64") return DType::i64;
  return std::nullopt;
}

class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  SafetensorsHeader read() {
    if (bytes_.size() < 8) refuse("byte 0", "is shorter than a header's length");
    uint64_t length;
    std::memcpy(&length, bytes_.data(), 8);
    if (length > kMostHeader || length > bytes_.size() - 8) {
      refuse("byte 0", "the header's length is " + std::to_string(length) + ", but " +
                           std::to_string(bytes_.size() - 8) + " bytes are left");
    }
    data_ = bytes_.subspan(8 + length);
    std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + 8, length);
    if (!text.starts_with('{')) refuse("byte 8", "the header does not begin with {");
    simdjson::dom::element root;
    auto fault = parser_.parse(text.data(), text.size()).get(root);
    if (fault != simdjson::SUCCESS) {
      refuse("header", std::string("is not JSON: ") + simdjson::error_message(fault));
    }
    for (auto field : simdjson::dom::object(root)) {
      if (field.key == "__metadata__") {
        read_metadata(field.value);
      } else {
        read_tensor(field.key, field.value);
      }
    }
    check_offsets();
    return std::move(header_);
  }

 private:
  [[noreturn]] void refuse(const std::string& place, const std::string& what) const {
    throw Error(name_ + ": " + place, what, "Get the file again.");
  }

  void read_metadata(simdjson::dom::element value) {
    simdjson::dom::object object;
    if (value.get(object) != simdjson::SUCCESS) refuse("__metadata__", "is not an object");
    for (auto field : object) {
      std::string_view text;
      if (field.value.get(text) != simdjson::SUCCESS) {
        refuse("__metadata__: " + shown(field.key), "is not a string");
      }
      header_.metadata.emplace(field.key, text);
    }
  }

  void read_tensor(std::string_view name, simdjson::dom::element value) {
    const std::string place = "tensor " + shown(name);
    if (name.empty()) refuse(place, "has no name");
    if (!names_.emplace(name).second) refuse(place, "is there twice");
    simdjson::dom::object object;
    std::string_view type_name;
    simdjson::dom::array shape, offsets;
    if (value.get(object) != simdjson::SUCCESS ||
        object["dtype"].get(type_name) != simdjson::SUCCESS ||
        object["shape"].get(shape) != simdjson::SUCCESS ||
        object["data_offsets"].get(offsets) != simdjson::SUCCESS) {
      refuse(place, "lacks dtype, shape or data_offsets");
    }
    StoredTensor tensor;
    tensor.name = name;
    auto type = type_named(type_name);
    if (!type) {
      throw Error(
          name_ + ": " + place,
          "has type " + shown(type_name) + "; Tessera reads F32 F16 BF16 F64 I8 I16 I32 I64",
          "Convert it to one of these.");
    }
    tensor.type = *type;
    const auto size = static_cast<uint64_t>(layout_of(*type).block_bytes);
    uint64_t bytes = size;
    for (auto item : shape) {
      uint64_t dimension;
      if (item.get(dimension) != simdjson::SUCCESS || tensor.shape.size() == kMostDimensions) {
        refuse(place, "has a shape that is no list of up to 16 sizes");
      }
      if (dimension != 0 && bytes > (uint64_t{1} << 62) / dimension) {
        refuse(place, "has a shape whose product overflows");
      }
      bytes *= dimension;
      tensor.shape.push_back(static_cast<int64_t>(dimension));
    }
    uint64_t ends[2];
    size_t count = 0;
    for (auto item : offsets) {
      if (count == 2 || item.get(ends[count]) != simdjson::SUCCESS) {
        refuse(place, "has data_offsets that are not two sizes");
      }
      ++count;
    }
    if (count != 2) refuse(place, "has data_offsets that are not two sizes");
    if (ends[0] > ends[1] || ends[1] > data_.size()) {
      refuse(place, "ends at byte " + std::to_string(ends[1]) + " of the data, which has " +
                        std::to_string(data_.size()) + " bytes");
    }
    if (ends[1] - ends[0] != bytes) {
      refuse(place, "has " + std::to_string(ends[1] - ends[0]) + " bytes, but its shape " +
                        shape_text(tensor.shape) + " takes " + std::to_string(bytes));
    }
    tensor.data = data_.subspan(ends[0], bytes);
    header_.tensors.push_back(std::move(tensor));
  }

  void check_offsets() {
    auto begin = [&](const StoredTensor& t) {
      return static_cast<size_t>(t.data.data() - data_.data());
    };
    std::sort(header_.tensors.begin(), header_.tensors.end(),
              [&](const StoredTensor& a, const StoredTensor& b) {
                return std::pair(begin(a), a.data.size()) < std::pair(begin(b), b.data.size());
              });
    size_t end = 0;
    for (const StoredTensor& t : header_.tensors) {
      if (begin(t) != end) {
        refuse("tensor " + shown(t.name),
               std::string(begin(t) < end ? "overlaps the one before it" : "leaves a hole") +
                   " at byte " + std::to_string(std::min(begin(t), end)) + " of the data");
      }
      end = begin(t) + t.data.size();
    }
    if (end != data_.size()) {
      refuse("end", std::to_string(data_.size() - end) + " bytes belong to no tensor");
    }
  }

  std::span<const std::byte> bytes_, data_;
  std::string name_;
  simdjson::dom::parser parser_;
  SafetensorsHeader header_;
  std::set<std::string> names_;
};

}  // namespace

SafetensorsHeader read_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  return HeaderReader(bytes, name).read();
}

Safetensors::Safetensors(const std::string& path) {
  if (path.ends_with(".json")) {
    read_index(path);
  } else {
    add(path);
  }
}

void Safetensors::add(const std::string& path) {
  files_.emplace_back(path);
  SafetensorsHeader header = read_safetensors(files_.back().bytes(), path);
  for (StoredTensor& t : header.tensors) tensors_.push_back(std::move(t));
  metadata_.merge(header.metadata);
}

void Safetensors::read_index(const std::string& path) {
  MappedFile file(path);
  if (file.bytes().size() > kMostHeader) throw Error(path, "is too long for an index");
  simdjson::dom::parser parser;
  simdjson::dom::object map;
  if (parser.parse(file.text().data(), file.text().size())["weight_map"].get(map) !=
      simdjson::SUCCESS) {
    throw Error(path, "has no object weight_map", "Get the file again.");
  }
  std::map<std::string, std::string> shard_of;
  std::set<std::string> shards;
  for (auto field : map) {
    std::string_view shard;
    // A shard stands beside its index: a name with a slash would lead out of the folder.
    if (field.value.get(shard) != simdjson::SUCCESS || shard.empty() ||
        shard.find('/') != std::string_view::npos || !shard.ends_with(".safetensors")) {
      throw Error(path + ": weight_map: " + shown(field.key), "names no .safetensors file");
    }
    shard_of.emplace(field.key, shard);
    shards.emplace(shard);
  }
  std::string folder = path.substr(0, path.rfind('/') + 1);
  std::set<std::string> seen;
  for (const std::string& shard : shards) {
    size_t first = tensors_.size();
    add(folder + shard);
    for (size_t i = first; i < tensors_.size(); ++i) {
      const std::string& name = tensors_[i].name;
      auto it = shard_of.find(name);
      if (it == shard_of.end() || it->second != shard) {
        throw Error(folder + shard + ": tensor " + shown(name), "is not where " + path + " says",
                    "Get all shards of one version.");
      }
      seen.insert(name);
    }
  }
  for (const auto& [name, shard] : shard_of) {
    if (!seen.contains(name)) {
      throw Error(folder + shard, "lacks tensor " + shown(name) + ", which the index promises",
                  "Get the file again.");
    }
  }
}

void Safetensors::release(std::span<const std::byte> part) const {
  for (const MappedFile& file : files_) {
    std::span<const std::byte> all = file.bytes();
    if (!all.empty() && part.data() >= all.data() && part.data() < all.data() + all.size()) {
      file.drop(part);
    }
  }
}

}  // namespace tessera
