#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tessera/base/error.h"
#include "tessera/tokenizer/normalisers.h"
#include "tessera/tokenizer/sentence_piece_normaliser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const tessera::Charsmap map({reinterpret_cast<const char*>(data), size}, "fuzz.map");
    constexpr std::string_view kText = "a  text e\xCC\x81 \xEF\xBC\xA1 of words and \xFF bytes ";
    (void)tessera::precompiled(map)->apply(tessera::AlignedText(kText));
    tessera::SentencePieceRules rules;
    rules.map = map;
    (void)tessera::sentence_piece_normaliser(std::move(rules))->apply(tessera::AlignedText(kText));
  } catch (const tessera::Error&) {
  }
  return 0;
}
