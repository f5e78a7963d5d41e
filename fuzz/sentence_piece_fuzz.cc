#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/refusal.h"
#include "tessera/base/error.h"
#include "tessera/tokenizer/sentence_piece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto tokenizer =
        tessera::parse_sentence_piece({reinterpret_cast<const char*>(data), size}, "fuzz.model");
    (void)tokenizer->encode("a text of words, <s> and \xFF bytes");
  } catch (const tessera::Error& error) {
    tessera::fuzz::expect_one_line(error);
  }
  return 0;
}
