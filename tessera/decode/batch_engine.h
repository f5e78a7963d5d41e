// Many requests over one model: texts are decoded together, prompts are read in pieces beside them,
// requests come and go between passes, and what two of them begin with is read once.
//
// Every answer is, bit for bit, the one that generate() gives alone.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tessera/decode/drafter.h"
#include "tessera/decode/generate.h"
#include "tessera/decode/prefix_table.h"

namespace tessera {

struct BatchOptions {
  int64_t running = 12;   // requests that are worked on at once
  int64_t rows = 516;     // ids a pass: those of running texts first, then pieces of prompts
  int64_t memory = 0;     // bytes that all pasts may hold, those of drafting models included; 0:
                          // no bound
  int64_t prefixes = 32;  // beginnings kept for later requests, while memory allows; 0: none
};

struct BatchRequest {
  std::vector<TokenId> prompt;
  GenerateOptions options;
  GenerateCallbacks callbacks;  // called between passes, by whoever runs them
  std::string client;           // clients take turns, each first come first served
  // Called once, with the result. What is wrong with a request, or with running it, is a result
  // with Finish::error. Without max_tokens an answer may be as long as `memory` holds of it. The
  // result's past counts as long as it lives.
  std::function<void(Generation)> done;
};

struct BatchCounters {
  int64_t passes = 0;
  int64_t rows = 0;       // ids run, all passes together
  int64_t shared = 0;     // ids of prompts that a kept beginning had seen already
  int64_t preempted = 0;  // times that a request gave its memory to an older one
  int64_t most_running = 0;
};

class BatchEngine {
 public:
  // `model` must outlive it and is used by nobody else meanwhile.
  BatchEngine(CausalModel& model, std::shared_ptr<const Tokenizer> tokenizer,
              const BatchOptions& options = {});
  BatchEngine(const BatchEngine&) = delete;
  BatchEngine& operator=(const BatchEngine&) = delete;

  // From any thread, also while passes run and from callbacks. Gives the request's number.
  int64_t submit(BatchRequest request);
  // Ends a request with Finish::cancelled before the next pass; does nothing when it is over.
  void cancel(int64_t number);

  // One pass over the model. false: there was nothing to do. One thread at a time.
  bool step();
  // Passes until `stop`, sleeping while there is nothing to do; then cancels what is left.
  void run(const std::stop_token& stop);
  // Passes until nothing is left.
  void drain() {
    while (step()) {
    }
  }

  const BatchCounters& counters() const { return counters_; }

 private:
  struct Job {
    int64_t number = 0;
    BatchRequest request;
    std::unique_ptr<Generator> generator;  // null: not begun
    std::unique_ptr<Drafter> measure;      // says what drafting for it will hold; null: nothing
    bool paused = false;                   // its pasts were dropped
    bool in_pass = false, kept = false, over = false;
    int64_t begun = 0;           // counts admissions: the highest is preempted first
    double start = 0, read = 0;  // seconds: when it began, when its first token came
  };
  using Jobs = std::deque<std::unique_ptr<Job>>;

  void take_incoming();
  void admit();
  size_t next_waiting() const;
  bool shares_with_reader(const Job& job) const;
  bool begin(Job& job);
  void measure(Job& job) const;
  void bound_by_memory(Job& job) const;
  int64_t bytes_for(const Job& job, int64_t tokens) const;
  static int64_t tokens_of(const Job& job);
  int64_t growth(const Job& job, int64_t ids) const;
  void share_rows(std::vector<int64_t>& most) const;
  bool make_room(std::vector<int64_t>& most);
  void pause(size_t running);
  void after(Job& job);
  void keep(Job& job, std::span<const TokenId> ids, const Past* past);
  void fail(Job& job, const std::string& message);
  void finish(Job& job, Generation result);
  void sweep();

  CausalModel& model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  BatchOptions options_;
  BatchCounters counters_;
  PrefixTable prefixes_;
  Jobs waiting_, running_;
  int64_t admissions_ = 0;
  std::vector<CausalModel::Item> batch_;
  std::vector<int64_t> most_;

  std::mutex lock_;  // of what other threads reach
  std::condition_variable_any news_;
  Jobs incoming_;
  std::vector<int64_t> cancelled_;
  int64_t numbers_ = 0;
};

}  // namespace tessera
