// Texts by which tokenizers are compared: random, but the same for the same seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

struct ProbeOptions {
  int64_t count = 2000;
  uint64_t seed = 1;
  bool only_utf8 = false;  // nothing that is not UTF-8
};

// Tokens of the vocabulary strung together, control tokens among them, characters of all planes,
// white space and digits of all kinds, raw bytes; the empty text first.
std::vector<std::string> probe_texts(const Vocabulary& vocabulary, const ProbeOptions& options);

}  // namespace tessera
