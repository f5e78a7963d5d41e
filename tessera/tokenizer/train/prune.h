// A vocabulary cut to the tokens that given texts need.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/training_texts.h"

namespace tessera {

struct PruneRequest {
  int64_t size = 0;  // tokens at most, the most used ones; 0: all that the texts need
  int64_t threads = 1;
  std::function<void(std::string_view)> progress = {};  // as in TrainingRequest
};

struct PrunedTokenizer {
  std::string json;                                        // the whole tokenizer.json
  std::vector<TokenId> ids;                                // by old id: the new one, or -1
  int64_t before = 0, after = 0;                           // tokens
  int64_t merges_before = 0, merges_after = 0;             // of a BPE model
  int64_t bytes = 0, tokens_before = 0, tokens_after = 0;  // of the texts
  // Of the tokens that are gone, those that the texts used, the most used first.
  std::vector<std::string> missed;
  std::vector<std::string> notes;
};

// `base`: the path of a tokenizer.json. Stays: what the texts' tokens are, and for BPE what they
// are merged of; single characters and bytes; added tokens, and all that other parts of the file
// name. New ids are dense and ascend with the old ones. Without a size the texts' tokens are the
// same but for their ids, which is checked on all of them before anything is given out. The texts
// are read twice. Throws Error for files that cannot be, and for a size that cannot hold what
// stays, naming the least that can.
PrunedTokenizer prune_tokenizer(const std::string& base, TrainingTexts& texts,
                                const PruneRequest& request);

// Throws Error where one of the sources of texts can be read only once: standard input, a pipe.
void expect_readable_twice(std::span<const std::string> sources);

}  // namespace tessera
