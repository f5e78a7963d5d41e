#include "tessera/files/gguf_part.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <set>

#include "tessera/files/cursor.h"
#include "tessera/files/gguf_format.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

// Far above what real files have; they bound the tables that a damaged file can ask for.
constexpr uint64_t kMostKeys = 65'536;
constexpr uint64_t kMostTensors = 262'144;
constexpr uint64_t kMostAlignment = 1 << 20;
constexpr int kMostNesting = 4;
constexpr uint32_t kMostDimensions = 4;
// A key of length 0, a type and a one-byte value; a tensor of no dimensions.
constexpr uint64_t kLeastEntry = 8 + 4 + 1;
constexpr uint64_t kLeastTensor = 8 + 4 + 4 + 8;

// What a file that is not GGUF probably is.
std::string_view guess(std::string_view text) {
  if (text.starts_with("PK")) return ": a zip archive. Unpack it first";
  if (text.starts_with("version https://git-lfs")) {
    return ": a Git LFS pointer, not the file itself. Download the file";
  }
  if (text.starts_with("<")) return ": a web page, not the file itself. Download it again";
  if (text.starts_with("tjgg") || text.starts_with("fmgg") || text.starts_with("lmgg")) {
    return ": a format older than GGUF. Convert it with llama.cpp of 2023";
  }
  if (text.starts_with("\x1f\x8b")) return ": compressed by gzip. Unpack it first";
  return ". Name a GGUF file";
}

class PartReader {
 public:
  PartReader(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name), in_(bytes, name) {}

  GgufPart read() {
    read_header();
    for (uint64_t i = 0; i < keys_; ++i) read_entry();
    read_alignment();
    for (uint64_t i = 0; i < tensors_; ++i) read_tensor(i);
    place_tensors();
    return std::move(part_);
  }

 private:
  void read_header() {
    std::string_view text(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    if (!text.starts_with(kGgufMagic)) {
      throw Error(name_ + ": byte 0", "starts with \"" + shown(text.substr(0, 4)) +
                                          "\", not \"GGUF\"" + std::string(guess(text)));
    }
    in_.take(4, "magic");
    part_.version = in_.read<uint32_t>("version");
    if (part_.version == 0x02000000 || part_.version == 0x03000000) {
      throw Error(name_ + ": byte 4", "a big-endian GGUF file; Tessera reads little-endian ones",
                  "Convert it with `gguf-convert-endian FILE little`.");
    }
    if (part_.version != 2 && part_.version != 3) {
      throw Error(name_ + ": byte 4",
                  "version is " + std::to_string(part_.version) + "; Tessera reads 2 and 3",
                  "Convert the model again.");
    }
    tensors_ = bounded_count("tensor_count", kLeastTensor, kMostTensors);
    keys_ = bounded_count("metadata_kv_count", kLeastEntry, kMostKeys);
  }

  uint64_t bounded_count(std::string_view field, uint64_t least_bytes, uint64_t most) {
    uint64_t n = in_.count(field, least_bytes);
    if (n > most) {
      throw in_.fault(std::string(field) + " is " + std::to_string(n) + "; Tessera reads up to " +
                      std::to_string(most));
    }
    return n;
  }

  void read_entry() {
    size_t place = in_.at();
    std::string_view key = in_.string("length of a metadata key");
    if (key.empty()) throw in_.fault("a metadata key is empty");
    std::string field = "metadata key " + shown(key);
    auto type = static_cast<GgufType>(in_.read<uint32_t>(field));
    size_t begin = in_.at();
    GgufValue value = read_value(type, field);
    part_.entries.push_back(
        {key, static_cast<uint32_t>(type), bytes_.subspan(begin, in_.at() - begin)});
    if (!part_.metadata.emplace(key, value).second) {
      throw Error(name_ + ": byte " + std::to_string(place), field + " is there twice");
    }
  }

  GgufValue read_value(GgufType type, const std::string& field) {
    switch (type) {
      case GgufType::u8:
        return uint64_t{in_.read<uint8_t>(field)};
      case GgufType::u16:
        return uint64_t{in_.read<uint16_t>(field)};
      case GgufType::u32:
        return uint64_t{in_.read<uint32_t>(field)};
      case GgufType::u64:
        return in_.read<uint64_t>(field);
      case GgufType::i8:
        return int64_t{in_.read<int8_t>(field)};
      case GgufType::i16:
        return int64_t{in_.read<int16_t>(field)};
      case GgufType::i32:
        return int64_t{in_.read<int32_t>(field)};
      case GgufType::i64:
        return in_.read<int64_t>(field);
      case GgufType::f32:
        return double{in_.read<float>(field)};
      case GgufType::f64:
        return in_.read<double>(field);
      case GgufType::boolean: {
        auto byte = in_.read<uint8_t>(field);
        if (byte > 1) throw in_.fault(field + " is a boolean of " + std::to_string(byte));
        return byte == 1;
      }
      case GgufType::string:
        return in_.string(field);
      case GgufType::array:
        return read_array(field, 0);
    }
    throw in_.fault(field + " has value type " + std::to_string(static_cast<uint32_t>(type)) +
                    "; GGUF defines 0 to 12");
  }

  GgufArray read_array(const std::string& field, int depth) {
    if (depth == kMostNesting) throw in_.fault(field + " nests arrays too deeply");
    GgufArray array;
    array.element_type = in_.read<uint32_t>(field);
    auto type = static_cast<GgufType>(array.element_type);
    size_t size = fixed_size(type);
    if (size == 0 && type != GgufType::string && type != GgufType::array) {
      throw in_.fault(field + " has elements of type " + std::to_string(array.element_type) +
                      "; GGUF defines 0 to 12");
    }
    uint64_t least = size > 0 ? size : type == GgufType::string ? 8 : 12;
    array.count = in_.count(field, least);
    size_t begin = in_.at();
    if (size > 0) {
      in_.take(array.count * size, field);
    } else {
      for (uint64_t i = 0; i < array.count; ++i) {
        if (type == GgufType::string) {
          in_.string(field);
        } else {
          read_array(field, depth + 1);
        }
      }
    }
    array.bytes = bytes_.subspan(begin, in_.at() - begin);
    return array;
  }

  void read_alignment() {
    auto it = part_.metadata.find("general.alignment");
    if (it == part_.metadata.end()) return;
    const auto* value = std::get_if<uint64_t>(&it->second);
    if (!value || !std::has_single_bit(*value) || *value > kMostAlignment) {
      throw Error(name_ + ": general.alignment",
                  (value ? "is " + std::to_string(*value) : std::string("is of another type")) +
                      "; it must be a power of two up to " + std::to_string(kMostAlignment));
    }
    alignment_ = *value;
  }

  void read_tensor(uint64_t number) {
    size_t place = in_.at();
    std::string field = "name of tensor " + std::to_string(number);
    std::string_view name = in_.string(field);
    if (name.empty()) throw in_.fault(field + " is empty");
    field = "tensor " + shown(name);
    if (!names_.insert(name).second) {
      throw Error(name_ + ": byte " + std::to_string(place), field + " is there twice");
    }
    size_t dimensions_at = in_.at();
    auto dimensions = in_.read<uint32_t>(field + " n_dimensions");
    if (dimensions == 0 || dimensions > kMostDimensions) {
      throw Error(name_ + ": byte " + std::to_string(dimensions_at),
                  field + ": n_dimensions is " + std::to_string(dimensions) + "; it must be 1 to " +
                      std::to_string(kMostDimensions));
    }
    GgufTensor tensor;
    tensor.name = name;
    uint64_t elements = 1;
    for (uint32_t i = 0; i < dimensions; ++i) {
      std::string which = field + ": dimension " + std::to_string(i);
      size_t at = in_.at();
      auto size = in_.read<uint64_t>(which);
      // 2^60 elements of 8 bytes still count in 63 bits.
      if (size == 0 || size > (uint64_t{1} << 60) / elements) {
        throw Error(name_ + ": byte " + std::to_string(at),
                    which + " is " + std::to_string(size) +
                        (size == 0 ? "" : ": the number of elements overflows"));
      }
      elements *= size;
      tensor.shape.push_back(static_cast<int64_t>(size));
    }
    size_t type_at = in_.at();
    auto type = in_.read<uint32_t>(field + " type");
    auto layout = layout_of(type);
    if (!layout) {
      throw Error(name_ + ": byte " + std::to_string(type_at),
                  field + " has type " + std::to_string(type) + "; Tessera reads " +
                      std::string(all_type_names()),
                  "Convert it to one of these.");
    }
    tensor.type = static_cast<DType>(type);
    if (tensor.shape[0] % layout->block_elements != 0) {
      throw Error(name_ + ": byte " + std::to_string(type_at),
                  field + ": rows of " + std::to_string(tensor.shape[0]) +
                      " elements do not fill blocks of " + std::to_string(layout->block_elements) +
                      " (" + std::string(layout->name) + ")");
    }
    size_t offset_at = in_.at();
    auto offset = in_.read<uint64_t>(field + " offset");
    if (offset % alignment_ != 0) {
      throw Error(name_ + ": byte " + std::to_string(offset_at),
                  field + ": offset " + std::to_string(offset) + " is no multiple of " +
                      std::to_string(alignment_));
    }
    part_.tensors.push_back(std::move(tensor));
    offsets_.push_back(offset);
  }

  // Turns offsets into views once the table's end, and with it the data's begin, is known.
  void place_tensors() {
    uint64_t begin = (in_.at() + alignment_ - 1) / alignment_ * alignment_;
    uint64_t available = begin <= bytes_.size() ? bytes_.size() - begin : 0;
    for (size_t i = 0; i < part_.tensors.size(); ++i) {
      GgufTensor& tensor = part_.tensors[i];
      int64_t elements = 1;
      for (int64_t size : tensor.shape) elements *= size;
      auto size = static_cast<uint64_t>(bytes_of(tensor.type, elements));
      if (offsets_[i] > available || size > available - offsets_[i]) {
        // The sum may pass 2^64 in a damaged file; saturate, it is only shown.
        uint64_t end = begin + offsets_[i] < begin ||
                               begin + offsets_[i] > std::numeric_limits<uint64_t>::max() - size
                           ? std::numeric_limits<uint64_t>::max()
                           : begin + offsets_[i] + size;
        throw Error(name_,
                    "tensor " + shown(tensor.name) + " ends at byte " + std::to_string(end) +
                        ", the file at " + std::to_string(bytes_.size()) + ": " +
                        std::to_string(end - bytes_.size()) + " bytes are missing",
                    "Get the file again.");
      }
      tensor.data = bytes_.subspan(begin + offsets_[i], size);
    }
    refuse_overlaps();
  }

  void refuse_overlaps() const {
    std::vector<size_t> order(offsets_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return offsets_[a] < offsets_[b]; });
    for (size_t i = 1; i < order.size(); ++i) {
      size_t a = order[i - 1], b = order[i];
      if (offsets_[b] - offsets_[a] < part_.tensors[a].data.size()) {
        throw Error(name_,
                    "tensors " + shown(part_.tensors[a].name) + " and " +
                        shown(part_.tensors[b].name) + " overlap at offset " +
                        std::to_string(offsets_[b]) + ": damaged",
                    "Get the file again.");
      }
    }
  }

  std::span<const std::byte> bytes_;
  std::string name_;
  Cursor in_;
  GgufPart part_;
  uint64_t tensors_ = 0, keys_ = 0, alignment_ = kGgufDefaultAlignment;
  std::set<std::string_view> names_;
  std::vector<uint64_t> offsets_;
};

}  // namespace

GgufPart read_gguf_part(std::span<const std::byte> bytes, const std::string& name) {
  return PartReader(bytes, name).read();
}

}  // namespace tessera
