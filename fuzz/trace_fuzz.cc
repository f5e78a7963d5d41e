#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/refusal.h"
#include "tessera/eval/trace_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    (void)tessera::parse_trace({reinterpret_cast<const char*>(data), size}, "fuzz.trace");
  } catch (const tessera::Error& error) {
    tessera::fuzz::expect_one_line(error);
  }
  return 0;
}
