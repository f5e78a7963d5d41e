// Any bytes as a tokenizer.json: an Error, or a tokenizer that encodes and decodes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/refusal.h"
#include "tessera/base/error.h"
#include "tessera/tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    auto tokenizer = tessera::parse_tokenizer_json(bytes, "fuzz");
    std::string_view text = bytes.substr(0, 2000);
    for (bool special : {false, true}) {
      auto found = tokenizer->encode(text, {.special_in_text = special});
      tokenizer->decode(found.ids);
      tokenizer->decode(found.ids, false);
    }
  } catch (const tessera::Error& error) {
    tessera::fuzz::expect_one_line(error);
  }
  return 0;
}
