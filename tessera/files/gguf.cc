#include "tessera/files/gguf.h"

#include <cstdio>
#include <limits>

#include "tessera/files/cursor.h"
#include "tessera/files/gguf_format.h"
#include "tessera/files/gguf_part.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

constexpr int64_t kMostParts = 99'999;
// "-00001-of-00003.gguf"
constexpr size_t kSplitSuffix = 20;

std::string part_path(const std::string& path, int64_t number, int64_t count) {
  char suffix[32];
  std::snprintf(suffix, sizeof suffix, "-%05d-of-%05d.gguf", static_cast<int>(number % 100'000),
                static_cast<int>(count % 100'000));
  return path.substr(0, path.size() - kSplitSuffix) + suffix;
}

std::optional<int64_t> as_integer(const GgufValue& value) {
  if (const auto* i = std::get_if<int64_t>(&value)) return *i;
  const auto* u = std::get_if<uint64_t>(&value);
  if (u && *u <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return static_cast<int64_t>(*u);
  }
  return std::nullopt;
}

// Element `i` of an array of numbers or booleans.
template <class To>
To element(const GgufArray& array, uint64_t i) {
  auto get = [&]<class T>(T value) {
    std::memcpy(&value, array.bytes.data() + i * sizeof(T), sizeof(T));
    return static_cast<To>(value);
  };
  switch (static_cast<GgufType>(array.element_type)) {
    case GgufType::u8:
    case GgufType::boolean:
      return get(uint8_t{});
    case GgufType::i8:
      return get(int8_t{});
    case GgufType::u16:
      return get(uint16_t{});
    case GgufType::i16:
      return get(int16_t{});
    case GgufType::u32:
      return get(uint32_t{});
    case GgufType::i32:
      return get(int32_t{});
    case GgufType::f32:
      return get(float{});
    case GgufType::u64:
      return get(uint64_t{});
    case GgufType::i64:
      return get(int64_t{});
    case GgufType::f64:
      return get(double{});
    case GgufType::string:
    case GgufType::array:
      break;
  }
  return To{};
}

bool is_float(uint32_t type) {
  return type == static_cast<uint32_t>(GgufType::f32) ||
         type == static_cast<uint32_t>(GgufType::f64);
}

}  // namespace

GgufFile::GgufFile(std::span<const std::byte> bytes, const std::string& name) : path_(name) {
  read_part(bytes, name, true);
  if (integer("split.count").value_or(1) > 1) {
    throw Error(name + ": split.count", "one part of a split file cannot be read from memory");
  }
}

GgufFile::GgufFile(const std::string& path) : path_(path) {
  parts_.emplace_back(path);
  read_part(parts_.back().bytes(), path, true);
  if (integer("split.count").value_or(1) > 1) read_split(path);
}

void GgufFile::read_part(std::span<const std::byte> bytes, const std::string& name, bool first) {
  GgufPart part = read_gguf_part(bytes, name);
  if (first) {
    version_ = part.version;
    metadata_ = std::move(part.metadata);
    entries_ = std::move(part.entries);
  }
  file_bytes_ += bytes.size();
  for (GgufTensor& tensor : part.tensors) {
    if (!index_.emplace(tensor.name, tensors_.size()).second) {
      throw Error(name, "tensor " + shown(tensor.name) + " is also in an earlier part");
    }
    tensors_.push_back(std::move(tensor));
  }
}

void GgufFile::read_split(const std::string& path) {
  int64_t count = integer("split.count").value_or(1);
  int64_t number = integer("split.no").value_or(0);
  if (count > kMostParts || number < 0 || number >= count) {
    throw Error(path + ": split.no", "is " + std::to_string(number) + " of " +
                                         std::to_string(count) + " parts: damaged");
  }
  if (path.size() < kSplitSuffix || part_path(path, number + 1, count) != path) {
    throw Error(path,
                "is part " + std::to_string(number + 1) + " of " + std::to_string(count) +
                    ", but its name does not say so",
                "Name the parts NAME-00001-of-0000N.gguf and keep them in one folder.");
  }
  if (number != 0) {
    GgufFile whole(part_path(path, 1, count));
    // A first part that claims to be alone would otherwise be taken for the whole.
    if (whole.integer("split.count") != count) {
      throw Error(whole.path() + ": split.count", "differs from that of " + path);
    }
    *this = std::move(whole);
    return;
  }
  for (int64_t i = 1; i < count; ++i) {
    std::string name = part_path(path, i + 1, count);
    parts_.emplace_back(name);
    GgufPart part = read_gguf_part(parts_.back().bytes(), name);
    auto its = [&](std::string_view key) {
      auto it = part.metadata.find(key);
      return it == part.metadata.end() ? std::nullopt : as_integer(it->second);
    };
    if (its("split.no") != i || its("split.count") != count) {
      throw Error(name + ": split.no", "this is not part " + std::to_string(i + 1) + " of " +
                                           std::to_string(count) + " of this model");
    }
    read_part(parts_.back().bytes(), name, false);
  }
  auto tensors = integer("split.tensors.count");
  if (tensors && static_cast<uint64_t>(*tensors) != tensors_.size()) {
    throw Error(path + ": split.tensors.count",
                "is " + std::to_string(*tensors) + ", but the parts hold " +
                    std::to_string(tensors_.size()) + " tensors",
                "Get the parts again, all of one version.");
  }
}

std::optional<GgufValue> GgufFile::find(std::string_view key) const {
  auto it = metadata_.find(key);
  if (it == metadata_.end()) return std::nullopt;
  return it->second;
}

Error GgufFile::wrong_type(std::string_view key, std::string_view wanted) const {
  return Error(path_ + ": " + std::string(key), "is not " + std::string(wanted),
               "Convert the model again.");
}

std::optional<int64_t> GgufFile::integer(std::string_view key) const {
  auto it = metadata_.find(key);
  if (it == metadata_.end()) return std::nullopt;
  auto value = as_integer(it->second);
  if (!value) throw wrong_type(key, "a whole number of 63 bits");
  return value;
}

std::optional<double> GgufFile::number(std::string_view key) const {
  auto it = metadata_.find(key);
  if (it == metadata_.end()) return std::nullopt;
  if (const auto* d = std::get_if<double>(&it->second)) return *d;
  auto value = as_integer(it->second);
  if (!value) throw wrong_type(key, "a number");
  return static_cast<double>(*value);
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  auto it = metadata_.find(key);
  if (it == metadata_.end()) return std::nullopt;
  const auto* value = std::get_if<bool>(&it->second);
  if (!value) throw wrong_type(key, "a boolean");
  return *value;
}

std::optional<std::string_view> GgufFile::string(std::string_view key) const {
  auto it = metadata_.find(key);
  if (it == metadata_.end()) return std::nullopt;
  const auto* value = std::get_if<std::string_view>(&it->second);
  if (!value) throw wrong_type(key, "a string");
  return *value;
}

std::vector<std::string_view> GgufFile::strings(std::string_view key) const {
  std::vector<std::string_view> out;
  auto it = metadata_.find(key);
  if (it == metadata_.end()) return out;
  const auto* array = std::get_if<GgufArray>(&it->second);
  if (!array || array->element_type != static_cast<uint32_t>(GgufType::string)) {
    throw wrong_type(key, "an array of strings");
  }
  out.reserve(array->count);
  Cursor in(array->bytes, path_);
  for (uint64_t i = 0; i < array->count; ++i) out.push_back(in.string(key));
  return out;
}

std::vector<int64_t> GgufFile::integers(std::string_view key) const {
  std::vector<int64_t> out;
  auto it = metadata_.find(key);
  if (it == metadata_.end()) return out;
  const auto* array = std::get_if<GgufArray>(&it->second);
  if (!array || fixed_size(static_cast<GgufType>(array->element_type)) == 0 ||
      is_float(array->element_type)) {
    throw wrong_type(key, "an array of whole numbers");
  }
  out.reserve(array->count);
  for (uint64_t i = 0; i < array->count; ++i) out.push_back(element<int64_t>(*array, i));
  return out;
}

std::vector<float> GgufFile::numbers(std::string_view key) const {
  std::vector<float> out;
  auto it = metadata_.find(key);
  if (it == metadata_.end()) return out;
  const auto* array = std::get_if<GgufArray>(&it->second);
  if (!array || fixed_size(static_cast<GgufType>(array->element_type)) == 0) {
    throw wrong_type(key, "an array of numbers");
  }
  out.reserve(array->count);
  for (uint64_t i = 0; i < array->count; ++i) out.push_back(element<float>(*array, i));
  return out;
}

const GgufTensor* GgufFile::tensor(std::string_view name) const {
  auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

void GgufFile::release(std::span<const std::byte> part) const {
  for (const MappedFile& file : parts_) {
    std::span<const std::byte> all = file.bytes();
    if (!all.empty() && part.data() >= all.data() && part.data() < all.data() + all.size()) {
      file.drop(part);
    }
  }
}

}  // namespace tessera
