// A page that shows how tokenizers cut the same paragraphs.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

struct NamedTokenizer {
  std::string name;
  std::shared_ptr<const Tokenizer> tokenizer;
};

// HTML that needs nothing else: each paragraph once for each tokenizer, tokens in changing colours,
// with ids where the pointer rests. Bytes that are no character stand as \xNN.
std::string cut_page(std::span<const NamedTokenizer> tokenizers,
                     std::span<const std::string> paragraphs);

}  // namespace tessera
