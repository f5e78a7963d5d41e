#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/refusal.h"
#include "tessera/eval/language.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const tessera::Language language =
        tessera::Language::parse({reinterpret_cast<const char*>(data), size}, "fuzz/fuzz.language");
    (void)language.affix(language.folded("lar"), tessera::kSuffix);
  } catch (const tessera::Error& error) {
    tessera::fuzz::expect_one_line(error);
  }
  return 0;
}
