#include "tessera/decode/batch_engine.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"

namespace tessera {
namespace {

// However many texts run, prompts go on by this many ids a pass.
constexpr int64_t kLeastReading = 12;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

BatchEngine::BatchEngine(CausalModel& model, std::shared_ptr<const Tokenizer> tokenizer,
                         const BatchOptions& options)
    : model_(model),
      tokenizer_(std::move(tokenizer)),
      options_(options),
      prefixes_(options.prefixes) {
  if (options.running < 1 || options.rows < 1 || options.memory < 0 || options.prefixes < 0) {
    throw Error("batch",
                fmt::format("{} running, {} rows, {} bytes, {} prefixes", options.running,
                            options.rows, options.memory, options.prefixes),
                "At least one request runs and one row a pass; nothing is negative.");
  }
}

int64_t BatchEngine::submit(BatchRequest request) {
  auto job = std::make_unique<Job>();
  job->request = std::move(request);
  const std::lock_guard guard(lock_);
  job->number = numbers_++;
  incoming_.push_back(std::move(job));
  news_.notify_all();
  return numbers_ - 1;
}

void BatchEngine::cancel(int64_t number) {
  const std::lock_guard guard(lock_);
  cancelled_.push_back(number);
  news_.notify_all();
}

void BatchEngine::take_incoming() {
  std::vector<int64_t> cancelled;
  {
    const std::lock_guard guard(lock_);
    for (auto& job : incoming_) waiting_.push_back(std::move(job));
    incoming_.clear();
    cancelled.swap(cancelled_);
  }
  for (Jobs* jobs : {&waiting_, &running_}) {
    for (auto& job : *jobs) {
      if (std::ranges::count(cancelled, job->number) == 0 &&
          !job->request.callbacks.stop.stop_requested()) {
        continue;
      }
      if (job->generator) {
        job->generator->end(Finish::cancelled);
        finish(*job, job->generator->take());
      } else {
        Generation nothing;
        nothing.prompt_tokens = static_cast<int64_t>(job->request.prompt.size());
        nothing.best.finish = Finish::cancelled;
        finish(*job, std::move(nothing));
      }
    }
  }
  sweep();
}

// Those that are over have given their result away.
void BatchEngine::sweep() {
  const auto over = [](const std::unique_ptr<Job>& job) { return job->over; };
  std::erase_if(waiting_, over);
  std::erase_if(running_, over);
}

void BatchEngine::finish(Job& job, Generation result) {
  job.over = true;
  const double end = now();
  if (job.start > 0) {
    result.prefill_seconds = (job.read > 0 ? job.read : end) - job.start;
    result.decode_seconds = job.read > 0 ? end - job.read : 0;
  }
  job.generator.reset();
  if (job.request.done) job.request.done(std::move(result));
}

void BatchEngine::fail(Job& job, const std::string& message) {
  Generation result;
  if (job.generator) {
    job.generator->end(Finish::error, message);
    result = job.generator->take();
  } else {
    result.prompt_tokens = static_cast<int64_t>(job.request.prompt.size());
    result.best.finish = Finish::error;
    result.error = message;
  }
  finish(job, std::move(result));
}

// Ids that a job's text has so far, or will have once its prompt is read.
int64_t BatchEngine::tokens_of(const Job& job) {
  const auto prompt = static_cast<int64_t>(job.request.prompt.size());
  if (!job.generator || job.generator->live().empty()) return prompt;
  return prompt + static_cast<int64_t>(job.generator->live()[0].ids.size());
}

// What a job's text of `tokens` holds at most, the model that drafts for it included.
int64_t BatchEngine::bytes_for(const Job& job, int64_t tokens) const {
  return model_.cache_bytes_for(tokens, options_.rows) +
         (job.measure ? job.measure->cache_bytes_for(tokens) : 0);
}

// What a pass over `ids` more ids may add to the memory held. Texts that share a block copy it.
int64_t BatchEngine::growth(const Job& job, int64_t ids) const {
  const auto of_model = [&](int64_t tokens) {
    return model_.cache_bytes_for(tokens, options_.rows);
  };
  int64_t bytes = 0;
  const auto live = job.generator->live();
  const Drafter* drafter = job.generator->drafter();
  for (const Branch& b : live) {
    const int64_t length = b.past->length();
    const int64_t n = std::min(ids, static_cast<int64_t>(b.pending.size()));
    bytes += std::max<int64_t>(0, of_model(length + n) - of_model(length));
    if (live.size() > 1) bytes += of_model(1);
    if (drafter) {
      bytes +=
          std::max<int64_t>(0, drafter->cache_bytes_for(length + n + 1) - drafter->cache_bytes());
    }
  }
  return bytes;
}

// Paused ones first, then the client with the fewest running requests, then the oldest.
size_t BatchEngine::next_waiting() const {
  size_t best = waiting_.size();
  int64_t fewest = 0;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const Job& job = *waiting_[i];
    if (!job.paused && shares_with_reader(job)) continue;
    const int64_t served =
        job.paused ? -1 : std::ranges::count_if(running_, [&](const std::unique_ptr<Job>& r) {
          return r->request.client == job.request.client;
        });
    if (best == waiting_.size() || served < fewest) {
      best = i;
      fewest = served;
    }
  }
  return best;
}

// Whether waiting for a prompt that is being read now saves reading its beginning again.
bool BatchEngine::shares_with_reader(const Job& job) const {
  if (options_.prefixes == 0) return false;
  const std::vector<TokenId>& mine = job.request.prompt;
  int64_t kept = -1;
  for (const auto& other : running_) {
    if (other->kept || other->paused) continue;
    const std::vector<TokenId>& theirs = other->request.prompt;
    const auto same = std::ranges::mismatch(mine, theirs).in1 - mine.begin();
    // The last id of a prompt is always run.
    const int64_t common =
        std::min<int64_t>(same, static_cast<int64_t>(mine.size()) - 1) / kPrefixTokens;
    if (common == 0) continue;
    if (kept < 0) kept = prefixes_.length_of(mine) / kPrefixTokens;
    if (common > kept) return true;
  }
  return false;
}

// Makes a drafter of the job's kind, which guesses nothing and knows what its guesses would hold.
void BatchEngine::measure(Job& job) const {
  const GenerateOptions& o = job.request.options;
  auto drafter = make_guest<Drafter>(o.draft);
  if (options_.memory == 0 || drafter->nothing()) return;
  drafter->attach(model_.vocabulary_size(), o.draft_model);
  job.measure = std::move(drafter);
}

// A lone request must be able to run to its end in the memory there is.
void BatchEngine::bound_by_memory(Job& job) const {
  const auto prompt = static_cast<int64_t>(job.request.prompt.size());
  if (options_.memory == 0 || prompt == 0) return;
  int64_t& most = job.request.options.max_tokens;
  const int64_t asked = prompt + std::max<int64_t>(most, 1);
  const int64_t needed = bytes_for(job, asked);
  if (needed > options_.memory) {
    throw Error("memory",
                fmt::format("{} tokens of prompt and {} of answer need {} bytes of cache; {} are "
                            "allowed",
                            prompt, asked - prompt, needed, options_.memory),
                fmt::format("Allow {}, or ask for less.", needed));
  }
  if (most > 0) return;
  // No length was asked for: as much as fits.
  int64_t low = asked, high = std::max(asked, std::min<int64_t>(model_.context(), 1 << 30));
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    if (bytes_for(job, middle) <= options_.memory) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  most = low - prompt;
}

bool BatchEngine::begin(Job& job) {
  try {
    if (job.paused) {
      const auto live = job.generator->live();
      std::vector<TokenId> ids = job.generator->prompt();
      if (live.size() == 1) ids.insert(ids.end(), live[0].ids.begin(), live[0].ids.end());
      const auto prefix = prefixes_.find(ids);
      job.generator->resume(prefix.get());
      job.paused = false;
    } else {
      measure(job);
      bound_by_memory(job);
      auto past = prefixes_.find(job.request.prompt);
      const int64_t shared = past ? past->length() : 0;
      job.generator =
          std::make_unique<Generator>(model_, tokenizer_, job.request.prompt, job.request.options,
                                      job.request.callbacks, std::move(past));
      counters_.shared += shared;
      job.start = now();
    }
    job.begun = ++admissions_;
    return true;
  } catch (const std::exception& error) {
    fail(job, error.what());
    return false;
  }
}

void BatchEngine::admit() {
  while (static_cast<int64_t>(running_.size()) < options_.running && !waiting_.empty()) {
    const size_t at = next_waiting();
    if (at == waiting_.size()) break;
    Job& job = *waiting_[at];
    if (options_.memory > 0 && !running_.empty()) {
      // Only who can read its prompt beside the others: else it would be sent away at once.
      int64_t needed = bytes_for(job, tokens_of(job) + 1);
      for (const auto& r : running_) needed += bytes_for(*r, tokens_of(*r) + 1);
      if (needed > options_.memory) break;
    }
    std::unique_ptr<Job> taken = std::move(waiting_[at]);
    waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(at));
    if (begin(*taken)) running_.push_back(std::move(taken));
  }
  counters_.most_running = std::max(counters_.most_running, static_cast<int64_t>(running_.size()));
}

// Ids that each running request may read in this pass beside what it must run: equal shares, and
// what one does not need goes to the others, so that a short prompt does not wait for a long one.
void BatchEngine::share_rows(std::vector<int64_t>& most) const {
  most.assign(running_.size(), 0);
  std::vector<size_t> readers;
  int64_t left = options_.rows;
  for (size_t i = 0; i < running_.size(); ++i) {
    const Generator& g = *running_[i]->generator;
    left -= g.unconditional();
    if (g.waiting() > g.unconditional()) readers.push_back(i);
  }
  left = std::max(left, std::min(options_.rows, kLeastReading));
  const auto need = [&](size_t i) {
    const Generator& g = *running_[i]->generator;
    return g.waiting() - g.unconditional();
  };
  std::ranges::stable_sort(readers, [&](size_t a, size_t b) { return need(a) < need(b); });
  for (size_t k = 0; k < readers.size(); ++k) {
    const auto others = static_cast<int64_t>(readers.size() - k);
    most[readers[k]] = std::min(need(readers[k]), std::max<int64_t>(1, left / others));
    left = std::max<int64_t>(0, left - most[readers[k]]);
  }
}

void BatchEngine::pause(size_t running) {
  std::unique_ptr<Job> job = std::move(running_[running]);
  running_.erase(running_.begin() + static_cast<ptrdiff_t>(running));
  job->generator->drop_pasts();
  job->paused = true;
  ++counters_.preempted;
  waiting_.push_front(std::move(job));
}

// Lets go of kept beginnings, then of the youngest requests' pasts, until the pass fits. false: not
// even one request is left.
bool BatchEngine::make_room(std::vector<int64_t>& most) {
  for (;;) {
    share_rows(most);
    if (running_.empty()) return false;
    if (options_.memory == 0) return true;
    int64_t needed = model_.cache_bytes();
    for (size_t i = 0; i < running_.size(); ++i) {
      const Job& job = *running_[i];
      if (const Drafter* drafter = job.generator->drafter()) needed += drafter->cache_bytes();
      needed += growth(job, std::max(most[i], job.generator->unconditional()));
    }
    if (needed <= options_.memory) return true;
    if (prefixes_.drop_oldest()) continue;
    if (running_.size() == 1) {
      fail(*running_[0],
           Error("memory",
                 fmt::format("the next pass of this request needs {} bytes of cache; {} are "
                             "allowed",
                             needed, options_.memory),
                 fmt::format("Allow {} or more.", needed))
               .what());
      sweep();
      return false;
    }
    const auto youngest = std::ranges::max_element(
        running_, {}, [](const std::unique_ptr<Job>& job) { return job->begun; });
    pause(static_cast<size_t>(youngest - running_.begin()));
  }
}

void BatchEngine::keep(Job& job, std::span<const TokenId> ids, const Past* past) {
  job.kept = true;
  if (past) prefixes_.add(ids.first(static_cast<size_t>(past->length())), *past);
}

// Goes on with a request that took part in a pass.
void BatchEngine::after(Job& job) {
  Generator& g = *job.generator;
  try {
    g.advance();
  } catch (const std::exception& error) {
    return fail(job, error.what());
  }
  const bool read = g.done() || g.live().size() != 1 || !g.live()[0].ids.empty();
  if (read && job.read == 0) job.read = now();
  if (!g.done()) {
    const auto live = g.live();
    if (read && !job.kept) {
      const bool lone =
          live.size() == 1 && live[0].past->length() <= static_cast<int64_t>(g.prompt().size());
      keep(job, g.prompt(), lone ? live[0].past.get() : nullptr);
    }
    return;
  }
  Generation result = g.take();
  // The next turn of a talk begins with all of this one.
  if (result.best.finish != Finish::error && result.past) {
    std::vector<TokenId> ids = g.prompt();
    ids.insert(ids.end(), result.best.ids.begin(), result.best.ids.end());
    if (result.past->length() <= static_cast<int64_t>(ids.size())) {
      keep(job, ids, result.past.get());
    }
  }
  finish(job, std::move(result));
}

bool BatchEngine::step() {
  take_incoming();
  admit();
  if (!make_room(most_)) return !waiting_.empty() || !running_.empty();
  batch_.clear();
  for (size_t i = 0; i < running_.size(); ++i) {
    const size_t before = batch_.size();
    running_[i]->generator->items(batch_, most_[i]);
    running_[i]->in_pass = batch_.size() > before;
  }
  ++counters_.passes;
  for (const CausalModel::Item& item : batch_)
    counters_.rows += static_cast<int64_t>(item.ids.size());
  try {
    model_.forward(batch_);
  } catch (const std::exception& error) {
    for (auto& job : running_) {
      if (job->in_pass) fail(*job, error.what());
    }
    sweep();
    return true;
  }
  for (auto& job : running_) {
    if (job->in_pass) after(*job);
  }
  sweep();
  return true;
}

void BatchEngine::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (step()) continue;
    std::unique_lock guard(lock_);
    news_.wait(guard, stop, [&] { return !incoming_.empty() || !cancelled_.empty(); });
  }
  {
    const std::lock_guard guard(lock_);
    for (const Jobs* jobs : {&incoming_, &waiting_, &running_}) {
      for (const auto& job : *jobs) cancelled_.push_back(job->number);
    }
  }
  take_incoming();
}

}  // namespace tessera
