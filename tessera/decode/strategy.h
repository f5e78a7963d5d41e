// Seam 4: what turns distributions into text. A strategy runs a search over branches, each with a
// past, a place in the constraint and a stream of random numbers of its own. The search never calls
// the network: whoever drives it (generate(), a batching engine) runs what the live branches have
// pending and hands over the logits, so that searches of many requests share one pass.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/random.h"
#include "tessera/decode/constraint.h"
#include "tessera/decode/drafter.h"
#include "tessera/decode/stop_scanner.h"
#include "tessera/network/network.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// Why a text ended. `running`: it has not.
enum class Finish : uint8_t { running, stop, length, constraint, cancelled, error };
// "stop", "length", ...
std::string_view finish_name(Finish finish);

struct TokenLogprob {
  TokenId id = 0;
  double logprob = 0;
};

// One chosen token. Probabilities are the model's own: natural logarithms of the softmax of its
// logits, before bias, penalties, constraint and filters.
struct Step {
  TokenId id = 0;
  double logprob = 0;
  double kept_mass = 1;           // probability of all tokens that the constraint allowed here
  std::vector<TokenLogprob> top;  // the likeliest tokens, ties to the lower id
};

struct LogitBias {
  TokenId id = 0;
  double bias = 0;  // added to the logit; -infinity forbids the token
};

// What a search is about. Lives as long as the search.
struct SearchSetup {
  std::shared_ptr<const Tokenizer> tokenizer;
  int64_t vocabulary = 0;  // columns of the logits; ids beyond the tokenizer's are never chosen
  std::vector<TokenId> prompt;
  std::vector<TokenId> stop_ids;
  std::vector<std::string> stop;                 // stop strings
  std::shared_ptr<const Constraint> constraint;  // at the beginning of the text
  int64_t max_tokens = 0;
  uint64_t seed = 0;
  int64_t top_logprobs = -1;  // -1: no steps are recorded; n: steps with the n likeliest
  std::vector<LogitBias> logit_bias;
  std::unique_ptr<Drafter> drafter;  // null: nothing is guessed
};

// One text in the making.
struct Branch {
  // An empty text after the prompt, of which `past` holds a beginning.
  Branch(const SearchSetup& setup, std::unique_ptr<Past> past, uint64_t stream);
  // The same text going on independently, with a stream of random numbers of its own.
  Branch fork(uint64_t stream) const;
  // Appends a token: constraint, text and ending follow. Needs finish == running and a token that
  // the constraint allows (or a stop token).
  void extend(const SearchSetup& setup, TokenId id);
  // Ends the text for `why`: what was held back is given out. Does nothing when it has ended.
  void end(Finish why);

  std::unique_ptr<Past> past;
  std::vector<TokenId> pending;  // ids that the past has not seen
  std::vector<int32_t> parents;  // of `pending`, as CausalModel::Item has them; empty: a chain
  int64_t wanted = 1;            // rows of logits that the search wants after `pending`
  std::vector<TokenId> ids;      // generated so far, a final stop token included
  std::vector<Step> steps;       // of `ids`, when they are recorded
  double score = 0;              // what a search ranks by
  std::unique_ptr<Constraint> constraint;
  Random random;
  std::string text;  // certain so far: whole characters, no part of a stop string
  Finish finish = Finish::running;

 private:
  Branch(const Branch& from, uint64_t stream);
  StreamDecoder decoder_;
  StopScanner scanner_;
};

// One run of a strategy.
class Search {
 public:
  virtual ~Search() = default;
  // Branches that wait for logits; none when the search is over.
  virtual std::span<Branch> live() = 0;
  // Goes one step on.   logits [sum of wanted over live(), setup.vocabulary], in the order of
  // live() Throws Error for logits that are no distribution and for a constraint that no token can
  // follow.
  virtual void step(std::span<const float> logits) = 0;
  // Whether what live()[0] says is never taken back, so that it may be streamed.
  virtual bool final_as_chosen() const = 0;
  // Whether it asks setup.drafter, and what came of it.
  virtual bool drafts() const { return false; }
  virtual DraftCounts draft_counts() const { return {}; }
  // The texts, best first, whether they have ended or not; at least one. Ends the search.
  virtual std::vector<Branch> take() = 0;
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  // `first` is the branch that every other is forked from. `setup` must outlive the search.
  virtual std::unique_ptr<Search> start(const SearchSetup& setup, Branch first) const = 0;
};

}  // namespace tessera
