// What guesses how a text goes on, so that one pass over the network checks several tokens.
//
// A guess never changes a text: each token is chosen from the network's own logits, with the
// request's own random numbers, and a guess that differs from the choice is taken back. So the
// distribution is kept whatever the strategy, and with the same seed the text is the same.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tessera/network/network.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// Serves one text. Not thread-safe.
class Drafter {
 public:
  virtual ~Drafter() = default;
  // True when it never guesses: nobody needs to ask.
  virtual bool nothing() const { return false; }
  // Called once, before the first guess.   vocabulary: ids of the network that is guessed for;
  // model: a second one, which outlives the drafter, or null when none was given. Throws Error for
  // what it cannot serve.
  virtual void attach(int64_t vocabulary, CausalModel* model) = 0;
  // Fills `out` (empty on entry) with at most `most` ids, which may follow `text` one after
  // another. `text` grows from call to call; it never loses what it had.
  virtual void guess(std::span<const TokenId> text, int64_t most, std::vector<TokenId>& out) = 0;
  // Bytes of a model's cache that it holds, and the most that it holds when it has guessed for a
  // text of `tokens`.
  virtual int64_t cache_bytes() const { return 0; }
  virtual int64_t cache_bytes_for(int64_t /*tokens*/) const { return 0; }
  // Gives up what it remembers of the text; the next guess reads it again.
  virtual void forget() {}
};

// How many ids were guessed for a text, and how many of them it has.
struct DraftCounts {
  int64_t guessed = 0, kept = 0;
};

}  // namespace tessera
