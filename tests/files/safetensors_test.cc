#include "tessera/files/safetensors.h"

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/files/gguf_bytes.h"

namespace tessera {
namespace {

using test::as_bytes;
using test::Bytes;

std::string file(const std::string& header, size_t data) {
  Bytes out;
  out.put<uint64_t>(header.size()).raw(header).raw(std::string(data, '\1'));
  return out.text();
}

std::string message(const std::string& text) {
  try {
    read_safetensors(as_bytes(text), "m.safetensors");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

const char* const kGood =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2],"data_offsets":[12,16]},)"
    R"("a":{"dtype":"F32","shape":[3,1],"data_offsets":[0,12]}})";

TEST(SafetensorsReader, ReadsTensorsInTheOrderOfTheirBytes) {
  std::string text = file(kGood, 16);
  SafetensorsHeader header = read_safetensors(as_bytes(text), "m");
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[0].shape, (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(header.tensors[1].type, DType::f16);
  EXPECT_EQ(header.tensors[1].data.size(), 4u);
  EXPECT_EQ(header.metadata.at("format"), "pt");
}

TEST(SafetensorsReader, RefusesEveryTruncation) {
  std::string text = file(kGood, 16);
  for (size_t size = 0; size < text.size(); ++size) {
    SCOPED_TRACE(size);
    EXPECT_NE(message(text.substr(0, size)).find("m.safetensors"), std::string::npos);
  }
  EXPECT_NE(message(text + "x").find("belong to no tensor"), std::string::npos);
}

TEST(SafetensorsReader, RefusesDamagedHeaders) {
  const std::tuple<const char*, size_t, const char*> rows[] = {
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "takes 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "ends at byte"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4, "ends at byte"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "hole"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "overlaps"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "twice"},
      {R"({"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", 4, "F8_E4M3"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4,
       "overflows"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "list of up to 16"},
      {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "list of up to 16"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "two sizes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4, "two sizes"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "lacks"},
      {R"({"a":5})", 4, "lacks"},
      {R"({"__metadata__":{"x":5}})", 0, "not a string"},
      {R"([])", 0, "does not begin"},
      {R"({"a")", 0, "not JSON"},
  };
  for (const auto& [header, data, part] : rows) {
    SCOPED_TRACE(header);
    EXPECT_NE(message(file(header, data)).find(part), std::string::npos)
        << message(file(header, data));
  }
  for (uint64_t length : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{200'000'000}}) {
    EXPECT_NE(message(Bytes().put(length).raw("{}").text()).find("header's length"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace tessera
