// Messages of protocol buffers, field by field. Source: the encoding as its maker documents it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// Walks the fields of one message; every length is checked against what is left. What it throws is
// an Error that names `where`, which must outlive it, and the byte.
class ProtoMessage {
 public:
  // `offset`: the byte of the file at which the message begins.
  ProtoMessage(std::string_view bytes, uint64_t offset, const std::string& where)
      : bytes_(bytes), offset_(offset), where_(where) {}

  // Goes to the next field; false behind the last one.
  bool next();
  uint64_t field() const { return field_; }
  // The field's value. Each throws when the field is of another kind.
  uint64_t number() const;
  float real() const;
  std::string_view text() const;
  ProtoMessage message() const { return {text(), offset_ + begin_, where_}; }
  // All of its bytes, its number and kind included.
  std::string_view whole() const { return bytes_.substr(first_, at_ - first_); }

  [[noreturn]] void fail(const std::string& what) const;

 private:
  uint64_t varint();
  void take(uint64_t n);
  void want(uint64_t wire, const char* what) const;

  std::string_view bytes_;
  uint64_t offset_;
  const std::string& where_;
  size_t at_ = 0, first_ = 0, begin_ = 0;
  uint64_t field_ = 0, wire_ = 0, number_ = 0;
};

// Writes one message.
class ProtoFields {
 public:
  void number(uint64_t field, int64_t value);
  void real(uint64_t field, float value);
  void text(uint64_t field, std::string_view value);
  // A field as ProtoMessage::whole() gives it.
  void whole(std::string_view bytes) { out_ += bytes; }
  const std::string& bytes() const { return out_; }

 private:
  void varint(uint64_t value);
  std::string out_;
};

}  // namespace tessera
