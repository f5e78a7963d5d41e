// Rank files of tiktoken: a line for each token, its bytes in base64 and its rank. Format and
// names: docs/formats/tiktoken.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/ranked_bpe.h"

namespace tessera {

// What a rank file does not say. Without any of it, the file's content (by SHA-256) says which
// encoding it is; a content that is not known is refused.
struct TiktokenOptions {
  std::string encoding;  // a known name: its pattern and special tokens, whatever the file holds
  std::string pattern;   // how to cut text, instead; then `specials` are all special tokens
  std::vector<NamedSpecial> specials = {};
};

std::vector<std::string_view> tiktoken_encodings();

// Whether the first line looks like one of a rank file.
bool looks_like_tiktoken(std::string_view bytes);

std::shared_ptr<const Tokenizer> read_tiktoken(const std::string& path,
                                               const TiktokenOptions& options = {});
// `where` is the file's path: o200k_harmony.tiktoken is known from o200k_base.tiktoken by its name
// alone, since their content is the same. Throws Error naming line and byte of a fault.
std::shared_ptr<const Tokenizer> parse_tiktoken(std::string_view bytes, const std::string& where,
                                                const TiktokenOptions& options = {});
// What the tokenizer is made of. The same errors, as far as lines are at fault.
RankedVocabulary tiktoken_vocabulary(std::string_view bytes, const std::string& where,
                                     const TiktokenOptions& options = {});

}  // namespace tessera
