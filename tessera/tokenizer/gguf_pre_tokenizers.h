// What the field `tokenizer.ggml.pre` of a GGUF file stands for.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace tessera {

struct GgufPreTokenizer {
  std::vector<std::string_view> names;
  std::vector<std::string_view> patterns;  // one after another, each isolates its matches
  bool ignore_merges = false;
  bool adds_bos = false;  // unless the file says otherwise
  bool adds_sep = false;
  bool byte_level = true;     // else symbols are characters, and unknown ones <0x00> .. <0xFF>
  bool marks_spaces = false;  // spaces are written U+2581
};

// Every name whose splitting is known; docs/tokenizers.md lists them.
std::span<const GgufPreTokenizer> gguf_pre_tokenizers();
// Null when the name is not known.
const GgufPreTokenizer* find_gguf_pre_tokenizer(std::string_view name);

}  // namespace tessera
