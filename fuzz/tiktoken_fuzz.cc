#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tessera/base/error.h"
#include "tessera/tokenizer/tiktoken.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto tokenizer = tessera::parse_tiktoken(
        {reinterpret_cast<const char*>(data), size}, "fuzz.tiktoken",
        {.encoding = "", .pattern = R"(\p{L}+|\s+|[^\s\p{L}]+)", .specials = {{"<|end|>", 70000}}});
    (void)tokenizer->encode("a text of words, <|end|> and \xFF bytes", {.special_in_text = true});
  } catch (const tessera::Error&) {
  }
  return 0;
}
