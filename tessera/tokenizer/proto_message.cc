#include "tessera/tokenizer/proto_message.h"

#include <cstring>

#include "tessera/base/error.h"

namespace tessera {

bool ProtoMessage::next() {
  if (at_ == bytes_.size()) return false;
  first_ = at_;
  const uint64_t tag = varint();
  field_ = tag >> 3;
  wire_ = tag & 7;
  begin_ = at_;
  switch (wire_) {
    case 0:
      number_ = varint();
      break;
    case 1:
      take(8);
      break;
    case 2: {
      const uint64_t n = varint();
      begin_ = at_;
      take(n);
      break;
    }
    case 5:
      take(4);
      break;
    default:
      fail("wire type " + std::to_string(wire_) + " is none that this format uses");
  }
  return true;
}

uint64_t ProtoMessage::number() const {
  want(0, "a number");
  return number_;
}

float ProtoMessage::real() const {
  want(5, "a float");
  float value;
  std::memcpy(&value, bytes_.data() + begin_, sizeof value);
  return value;
}

std::string_view ProtoMessage::text() const {
  want(2, "bytes");
  return bytes_.substr(begin_, at_ - begin_);
}

void ProtoMessage::fail(const std::string& what) const {
  throw Error(where_ + ": byte " + std::to_string(offset_ + at_), what,
              "The file is damaged or no SentencePiece model.");
}

uint64_t ProtoMessage::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at_ == bytes_.size()) fail("ends inside a number");
    const auto byte = static_cast<uint8_t>(bytes_[at_++]);
    value |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) return value;
  }
  fail("a number has more than ten bytes");
}

void ProtoMessage::take(uint64_t n) {
  if (n > bytes_.size() - at_) {
    fail("field " + std::to_string(field_) + " has " + std::to_string(n) + " bytes, " +
         std::to_string(bytes_.size() - at_) + " are left");
  }
  at_ += n;
}

void ProtoMessage::want(uint64_t wire, const char* what) const {
  if (wire_ != wire) fail("field " + std::to_string(field_) + " is not " + what);
}

void ProtoFields::number(uint64_t field, int64_t value) {
  varint(field << 3);
  varint(static_cast<uint64_t>(value));
}

void ProtoFields::real(uint64_t field, float value) {
  varint(field << 3 | 5);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out_.append(bytes, sizeof bytes);
}

void ProtoFields::text(uint64_t field, std::string_view value) {
  varint(field << 3 | 2);
  varint(value.size());
  out_ += value;
}

void ProtoFields::varint(uint64_t value) {
  for (; value >= 128; value >>= 7) out_ += static_cast<char>(value | 128);
  out_ += static_cast<char>(value);
}

}  // namespace tessera
