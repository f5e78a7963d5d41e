#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tessera/base/error.h"
#include "tessera/tokenizer/tekken.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto tokenizer =
        tessera::parse_tekken({reinterpret_cast<const char*>(data), size}, "fuzz.json");
    (void)tokenizer->encode("a text of words, <s> and \xFF bytes");
  } catch (const tessera::Error&) {
  }
  return 0;
}
