// Pre-tokenizers that tokenizer.json names. Meaning: docs/formats/tokenizer-json.md.
#pragma once

#include "tessera/tokenizer/parts.h"

namespace tessera {

// What becomes of the matches of a delimiter.
enum class SplitBehaviour : uint8_t {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous,
};

enum class PrependScheme : uint8_t { always, first, never };

struct MetaspaceOptions {
  std::string replacement = "\xE2\x96\x81";
  PrependScheme prepend = PrependScheme::always;
  bool split = true;
};

// Cuts at the matches of `pattern`; inverted: at what does not match.
std::unique_ptr<PreTokenizer> splitter(Pattern pattern, SplitBehaviour behaviour, bool invert);
// Cuts at characters of a generated set (tessera/text/unicode_tables.h).
std::unique_ptr<PreTokenizer> class_splitter(std::string_view set, SplitBehaviour behaviour);
// From here on every byte is a character. `pattern`: cut by GPT-2's pattern first.
std::unique_ptr<PreTokenizer> byte_level(bool add_prefix_space, bool pattern);
// \w+|[^\w\s]+
std::unique_ptr<PreTokenizer> word_splitter();
// Pieces of `length` characters, at least 1.
std::unique_ptr<PreTokenizer> fixed_length(size_t length);
// Cuts where the script changes; what goes with any script (digits, punctuation) does not count,
// and is dropped in front of the first character that does.
std::unique_ptr<PreTokenizer> script_splitter();
std::unique_ptr<PreTokenizer> metaspace(const MetaspaceOptions& options);
std::unique_ptr<PreTokenizer> sequence(std::vector<std::unique_ptr<PreTokenizer>> parts);

}  // namespace tessera
