#include "tessera/files/safetensors_writer.h"

#include <algorithm>
#include <cassert>

#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

// The data begins at a multiple of this, so that mapped tensors are aligned.
constexpr size_t kAlignment = 64;

std::string name_of(DType type) {
  switch (type) {
    case DType::f32:
      return "F32";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
    case DType::f64:
      return "F64";
    case DType::i8:
      return "I8";
    case DType::i16:
      return "I16";
    case DType::i32:
      return "I32";
    case DType::i64:
      return "I64";
    default:
      return "";
  }
}

}  // namespace

void SafetensorsWriter::declare(std::string_view name, DType type, std::span<const int64_t> shape) {
  assert(!header_written_);
  std::string type_name = name_of(type);
  if (type_name.empty()) {
    throw Error(path_ + ": tensor " + shown(name),
                "safetensors files have no type " + std::string(layout_of(type).name),
                "Write it as F32, F16 or BF16.");
  }
  auto same = [&](const Row& row) { return row.name == name; };
  if (std::any_of(rows_.begin(), rows_.end(), same)) {
    throw Error(path_ + ": tensor " + shown(name), "is declared twice");
  }
  int64_t elements = 1;
  for (int64_t size : shape) elements *= size;
  const uint64_t end = declared_ + static_cast<uint64_t>(bytes_of(type, elements));
  rows_.push_back(
      {std::string(name), std::move(type_name), {shape.begin(), shape.end()}, declared_, end});
  declared_ = end;
}

void SafetensorsWriter::write_header() {
  header_written_ = true;
  nlohmann::ordered_json header;
  if (!metadata_.empty()) header["__metadata__"] = metadata_;
  for (const Row& row : rows_) {
    header[row.name] = {
        {"dtype", row.type}, {"shape", row.shape}, {"data_offsets", {row.begin, row.end}}};
  }
  std::string text;
  try {
    text = header.empty() ? "{}" : header.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(path_, "a tensor's name or a metadata value is not UTF-8");
  }
  text.resize((text.size() + 8 + kAlignment - 1) / kAlignment * kAlignment - 8, ' ');
  const uint64_t length = text.size();
  file_.write(std::as_bytes(std::span(&length, 1)));
  file_.write(text);
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (!header_written_) write_header();
  if (bytes.size() > declared_ - written_) {
    throw Error(path_, "more bytes are written than the tensors declared hold");
  }
  file_.write(bytes);
  written_ += bytes.size();
}

void SafetensorsWriter::finish() {
  if (!header_written_) write_header();
  if (written_ != declared_) {
    throw Error(path_, std::to_string(declared_ - written_) + " bytes of tensors were not written");
  }
  file_.commit();
}

}  // namespace tessera
