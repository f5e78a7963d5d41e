#include "tessera/files/gguf_writer.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "tessera/base/error.h"
#include "tessera/files/gguf_format.h"

namespace tessera {
namespace {

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_string(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out.append(text);
}

template <class T>
std::string bytes_of_value(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <class T>
std::string array(GgufType type, std::span<const T> values) {
  std::string out;
  put(out, static_cast<uint32_t>(type));
  put<uint64_t>(out, values.size());
  for (const T& value : values) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      put_string(out, value);
    } else {
      put(out, value);
    }
  }
  return out;
}

constexpr uint32_t number(GgufType type) { return static_cast<uint32_t>(type); }

uint64_t round_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

void GgufWriter::entry(std::string_view key, uint32_t type, std::string_view value) {
  assert(!header_written_);
  put_string(metadata_, key);
  put(metadata_, type);
  metadata_.append(value);
  ++keys_;
}

void GgufWriter::set(std::string_view key, bool value) {
  entry(key, number(GgufType::boolean), bytes_of_value<uint8_t>(value ? 1 : 0));
}
void GgufWriter::set(std::string_view key, uint32_t value) {
  entry(key, number(GgufType::u32), bytes_of_value(value));
}
void GgufWriter::set(std::string_view key, int32_t value) {
  entry(key, number(GgufType::i32), bytes_of_value(value));
}
void GgufWriter::set(std::string_view key, uint64_t value) {
  entry(key, number(GgufType::u64), bytes_of_value(value));
}
void GgufWriter::set(std::string_view key, float value) {
  entry(key, number(GgufType::f32), bytes_of_value(value));
}
void GgufWriter::set(std::string_view key, std::string_view value) {
  std::string text;
  put_string(text, value);
  entry(key, number(GgufType::string), text);
}
void GgufWriter::set(std::string_view key, std::span<const std::string_view> values) {
  entry(key, number(GgufType::array), array(GgufType::string, values));
}
void GgufWriter::set(std::string_view key, std::span<const int32_t> values) {
  entry(key, number(GgufType::array), array(GgufType::i32, values));
}
void GgufWriter::set(std::string_view key, std::span<const float> values) {
  entry(key, number(GgufType::array), array(GgufType::f32, values));
}

void GgufWriter::copy(const GgufEntry& e) {
  if (e.key == "general.alignment") {
    assert(tensors_ == 0);
    uint32_t value = 0;
    std::copy_n(e.bytes.data(), std::min(sizeof value, e.bytes.size()),
                reinterpret_cast<std::byte*>(&value));
    alignment_ = std::max<uint64_t>(value, 1);
  }
  entry(e.key, e.type, {reinterpret_cast<const char*>(e.bytes.data()), e.bytes.size()});
}

void GgufWriter::declare(std::string_view name, DType type, std::span<const int64_t> shape) {
  assert(!header_written_ && !shape.empty() && shape.size() <= 4);
  put_string(table_, name);
  put(table_, static_cast<uint32_t>(shape.size()));
  int64_t elements = 1;
  for (int64_t size : shape) {
    put(table_, static_cast<uint64_t>(size));
    elements *= size;
  }
  put(table_, static_cast<uint32_t>(type));
  put(table_, offset_);
  sizes_.push_back(static_cast<uint64_t>(bytes_of(type, elements)));
  offset_ = round_up(offset_ + sizes_.back(), alignment_);
  ++tensors_;
}

void GgufWriter::pad() {
  std::string zeros(round_up(file_.size(), alignment_) - file_.size(), '\0');
  file_.write(zeros);
}

void GgufWriter::write_header() {
  header_written_ = true;
  std::string head(kGgufMagic);
  put<uint32_t>(head, 3);
  put(head, tensors_);
  put(head, keys_);
  file_.write(head);
  file_.write(metadata_);
  file_.write(table_);
  pad();
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  if (!header_written_) write_header();
  while (!bytes.empty()) {
    if (current_ == sizes_.size()) {
      throw Error(path_, "more bytes are written than the tensors declared hold");
    }
    const uint64_t part = std::min<uint64_t>(bytes.size(), sizes_[current_] - written_);
    file_.write(bytes.first(part));
    bytes = bytes.subspan(part);
    written_ += part;
    if (written_ == sizes_[current_]) {
      pad();
      ++current_;
      written_ = 0;
    }
  }
}

void GgufWriter::finish() {
  if (!header_written_) write_header();
  if (current_ != sizes_.size()) {
    throw Error(path_, "tensor " + std::to_string(current_) + " of " +
                           std::to_string(sizes_.size()) + " was not written whole");
  }
  file_.commit();
}

}  // namespace tessera
