// Recall in its barest form: key-value pairs lie scattered in a sequence of symbols, then keys are
// asked for and each is followed by its value. A model that was trained on nothing else shows what
// a context policy loses, where a language model would be guessing. Source: Arora et al. 2023,
// "Zoology: Measuring and Improving Recall in Efficient Language Models", arXiv 2312.04927, section
// 3 (multi-query associative recall); the layout is ours.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tessera/base/random.h"
#include "tessera/eval/needle.h"
#include "tessera/network/network.h"

namespace tessera {

// Symbols are ids: keys, then values, then what stands between the pairs.
inline constexpr int64_t kRecallKeys = 32, kRecallValues = kRecallKeys, kRecallSymbols = 128;

struct RecallShape {
  int64_t length = 256;  // of the whole sequence
  int64_t pairs = 32;    // of different keys, at random places before the first question
  // Questions, each for a pair that is drawn anew, whatever was asked before; 0: every pair once.
  // Were every pair asked equally often, counting would answer the last ones, and a model that is
  // trained so learns to count first.
  int64_t drawn = 0;
  int64_t symbols = kRecallKeys;  // so many of the keys, and of the values, are used
  int64_t questions() const { return drawn > 0 ? drawn : pairs; }
};

struct RecallSequence {
  struct Question {
    int64_t at = 0;    // position of the asked key; its value stands behind it
    int64_t pair = 0;  // position of the key in the pair that answers it
  };
  std::vector<int32_t> ids;  // [length]
  std::vector<Question> questions;
};

// Throws Error for a shape whose pairs and questions do not fit, or that has no pair or more pairs
// than there are keys.
RecallSequence make_recall(const RecallShape& shape, Random& random);

struct RecallScore {
  int64_t asked = 0, right = 0;
  // Of these the questions whose pair lies `far` or more positions back.
  int64_t far_asked = 0, far_right = 0;
  PastCounters context;  // of the last sequence's past

  double share() const {
    return asked > 0 ? static_cast<double>(right) / static_cast<double>(asked) : 0;
  }
};

// Asks for `sequences` of them, each read token by token from an empty past of `policy`; right is
// what has the greatest logit. Sequences depend on the seed and their number alone, so that two
// policies are asked the same. Stops early, with what it has, when `each` (may be empty) gives
// false; it is called after every sequence.
RecallScore recall_score(Network& network, const std::string& policy, const RecallShape& shape,
                         int64_t sequences, uint64_t seed, int64_t far = 0,
                         const std::function<bool()>& each = {});

}  // namespace tessera
