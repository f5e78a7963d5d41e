// From a prompt to a text: the one way in for the verbs, the server and tests.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/decode/strategy.h"

namespace tessera {

struct GenerateOptions {
  std::string decode = "greedy";       // spec of the seam decode
  std::string constrain = "none";      // spec of the seam constrain
  std::string draft = "none";          // spec of the seam draft
  CausalModel* draft_model = nullptr;  // for drafters that ask one; outlives the answer
  int64_t max_tokens = 0;              // 0: as many as the context holds
  std::vector<TokenId> stop_ids = {};  // end tokens; they say nothing and end the text
  std::vector<std::string> stop = {};  // strings that end the text and are not part of it
  std::optional<uint64_t> seed = {};   // unset: a fresh one
  int64_t top_logprobs = -1;           // as SearchSetup
  std::vector<LogitBias> logit_bias = {};
  int64_t context = 0;  // positions that may be used; 0: model.context(), -1: no bound
  // Of the prompt, what the past's policy is told is one; the rest counts as decoded, so that a
  // policy chooses before it has seen a question. -1: all of it.
  int64_t announced = -1;
  int64_t prefill_chunk = 512;  // ids of the prompt per pass; cancelling waits for one pass
};

struct GenerateCallbacks {
  // Text as it becomes certain, in whole characters; all calls together give Generation::text.
  // Strategies that take back what they said call it once, at the end.
  std::function<void(std::string_view)> text;
  // Prompt ids run so far and in all.
  std::function<void(int64_t, int64_t)> prefill;
  // After every pass over the network, whether it gave text or not; may ask `stop`.
  std::function<void()> pass;
  // Asked to stop: the text so far is given with Finish::cancelled.
  std::stop_token stop;
};

struct GeneratedText {
  std::string text;
  std::vector<TokenId> ids;  // a final stop token included
  std::vector<Step> steps;   // when top_logprobs >= 0
  Finish finish = Finish::running;
  double score = 0;  // by which a search with several texts ranked it
};

struct Generation {
  GeneratedText best;
  std::vector<GeneratedText> others;  // the rest of the n best
  uint64_t seed = 0;                  // the one that was used: the same again gives the same text
  int64_t prompt_tokens = 0;
  int64_t reused_tokens = 0;  // of the prompt, held by the past that was handed in
  DraftCounts drafts;
  double prefill_seconds = 0, decode_seconds = 0;
  std::string error;           // what Finish::error means
  std::unique_ptr<Past> past;  // of the best text; may lack its last tokens
};

// One request on its way, for those who batch: run what items() asks for, then call advance(),
// until done(). Not thread-safe. `model` must outlive it; its forward() is the caller's to call.
class Generator {
 public:
  // `past`: null, or one that holds the first past->length() ids of the prompt already, but not
  // all. Throws Error for a bad spec, an empty prompt, ids outside the vocabulary, and a prompt
  // that leaves no room for an answer, with the numbers.
  Generator(CausalModel& model, std::shared_ptr<const Tokenizer> tokenizer,
            std::vector<TokenId> prompt, const GenerateOptions& options,
            GenerateCallbacks callbacks = {}, std::unique_ptr<Past> past = nullptr);
  bool done() const;
  // Appends what must run in the next pass: what its texts have pending, long parts cut to
  // `prefill_chunk` ids a text and `most` in all. What a token more costs always runs whole.
  void items(std::vector<CausalModel::Item>& batch,
             int64_t most = std::numeric_limits<int64_t>::max());
  // Ids that wait to be run, and those of them that the next pass runs whatever `most` says.
  int64_t waiting() const;
  int64_t unconditional() const;
  // Goes on after that pass. What a search throws ends the text with Finish::error.
  void advance();
  // Ends the text now.
  void end(Finish why, std::string error = "");
  // The result; once, when done.
  Generation take();

  // The texts that go on, for those who count what their pasts hold.
  std::span<const Branch> live() const { return search_->live(); }
  const std::vector<TokenId>& prompt() const { return setup_->prompt; }
  // What drafts for the text; null: nothing does.
  const Drafter* drafter() const { return setup_->drafter.get(); }
  // Gives up all pasts: everything is run again after resume(). The text stays.
  void drop_pasts();
  // After drop_pasts(); `prefix`: null, or a past that has seen a beginning of every text, but not
  // all of it.
  void resume(const Past* prefix);

 private:
  void stream();

  CausalModel& model_;
  GenerateCallbacks callbacks_;
  int64_t prefill_chunk_;
  int64_t announced_ = 0;
  std::unique_ptr<SearchSetup> setup_;  // at a fixed place: the search refers to it
  std::unique_ptr<Search> search_;
  std::vector<float> logits_;  // [rows wanted, vocabulary]
  std::vector<size_t> ran_;    // ids of each live text in the current pass
  bool reading_ = true;        // no token was chosen yet
  size_t given_ = 0;           // bytes of text handed to the callback
  std::vector<Branch> results_;
  Generation out_;
  bool done_ = false;
};

// Runs one request to its end. What the first pass throws passes through.
Generation generate(CausalModel& model, std::shared_ptr<const Tokenizer> tokenizer,
                    std::vector<TokenId> prompt, const GenerateOptions& options = {},
                    GenerateCallbacks callbacks = {}, std::unique_ptr<Past> past = nullptr);

}  // namespace tessera
