// Any bytes as a safetensors file: its header read, the first and last byte of each tensor touched.
#include <cstddef>
#include <cstdint>

#include "fuzz/refusal.h"
#include "tessera/base/error.h"
#include "tessera/files/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    auto header = tessera::read_safetensors(
        std::span(reinterpret_cast<const std::byte*>(data), size), "fuzz.safetensors");
    volatile std::byte seen{};
    for (const tessera::StoredTensor& t : header.tensors) {
      if (!t.data.empty()) seen = t.data.front() ^ t.data.back();
    }
    (void)seen;
  } catch (const tessera::Error& error) {
    tessera::fuzz::expect_one_line(error);
  }
  return 0;
}
