#include "tessera/decode/generate.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"

namespace tessera {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void check_prompt(const std::vector<TokenId>& prompt, int64_t vocabulary) {
  if (prompt.empty()) {
    throw Error("prompt", "it has no tokens", "Give some text, or a token to begin with.");
  }
  for (size_t i = 0; i < prompt.size(); ++i) {
    if (prompt[i] < 0 || prompt[i] >= vocabulary) {
      throw Error("prompt",
                  "token " + std::to_string(i + 1) + " has id " + std::to_string(prompt[i]) +
                      "; the model has ids 0 to " + std::to_string(vocabulary - 1),
                  "Use the tokenizer that belongs to this model.");
    }
  }
}

std::string too_long_remedy(const CausalModel& model, int64_t needed) {
  const int64_t trained = model.trained_context();
  std::string out = needed <= trained
                        ? "The model was trained for " + std::to_string(trained) + ": --ctx " +
                              std::to_string(trained) + " opens it for them. Or shorten the prompt"
                        : "Shorten it, take a model with a longer context, stretch this one's "
                          "(--rope-scaling)";
  return out += ", or name a policy that serves longer inputs (`tessera list context`).";
}

// Tokens that may be generated.
int64_t room(const CausalModel& model, size_t prompt, const GenerateOptions& options) {
  int64_t most = options.max_tokens > 0 ? options.max_tokens : std::numeric_limits<int64_t>::max();
  if (options.context < 0) return most;
  int64_t context = options.context > 0 ? options.context : model.context();
  auto needed = static_cast<int64_t>(prompt) + 1;
  if (needed > context) {
    throw Error("prompt",
                "its " + std::to_string(prompt) + " tokens and one for an answer need " +
                    std::to_string(needed) + " positions; the context has " +
                    std::to_string(context),
                too_long_remedy(model, needed));
  }
  return std::min(most, context - static_cast<int64_t>(prompt));
}

}  // namespace

Generator::Generator(CausalModel& model, std::shared_ptr<const Tokenizer> tokenizer,
                     std::vector<TokenId> prompt, const GenerateOptions& options,
                     GenerateCallbacks callbacks, std::unique_ptr<Past> past)
    : model_(model),
      callbacks_(std::move(callbacks)),
      prefill_chunk_(std::max<int64_t>(1, options.prefill_chunk)),
      setup_(std::make_unique<SearchSetup>()) {
  auto strategy = make_guest<Strategy>(options.decode);
  check_prompt(prompt, model.vocabulary_size());
  setup_->max_tokens = room(model, prompt.size(), options);
  setup_->tokenizer = std::move(tokenizer);
  setup_->vocabulary = model.vocabulary_size();
  setup_->prompt = std::move(prompt);
  setup_->stop_ids = options.stop_ids;
  setup_->stop = options.stop;
  setup_->constraint = make_guest<Constraint>(options.constrain);
  setup_->seed = options.seed ? *options.seed : fresh_seed();
  setup_->top_logprobs = options.top_logprobs;
  setup_->logit_bias = options.logit_bias;
  if (auto drafter = make_guest<Drafter>(options.draft); !drafter->nothing()) {
    drafter->attach(setup_->vocabulary, options.draft_model);
    setup_->drafter = std::move(drafter);
  }

  if (!past) past = model.new_past();
  out_.seed = setup_->seed;
  out_.prompt_tokens = static_cast<int64_t>(setup_->prompt.size());
  out_.reused_tokens = past->length();
  if (out_.reused_tokens >= out_.prompt_tokens) {
    throw Error("past",
                "it holds " + std::to_string(out_.reused_tokens) + " tokens, the prompt " +
                    std::to_string(out_.prompt_tokens),
                "Hand in a past that holds a beginning of the prompt.");
  }
  announced_ =
      options.announced < 0 ? out_.prompt_tokens : std::min(options.announced, out_.prompt_tokens);
  past->announce(announced_);
  search_ = strategy->start(*setup_, Branch(*setup_, std::move(past), 0));
  if (setup_->drafter && !search_->drafts()) {
    throw Error("--draft " + options.draft,
                "serves one text; --decode " + options.decode + " follows several",
                "Use it with greedy or sample.");
  }
}

bool Generator::done() const { return done_; }

int64_t Generator::waiting() const {
  int64_t n = 0;
  for (const Branch& b : search_->live()) n += static_cast<int64_t>(b.pending.size());
  return n;
}

namespace {

// Ids at the end of what is pending that one pass must run together: those whose logits are wanted,
// and a tree.
size_t tail_of(const Branch& b) {
  return std::max(static_cast<size_t>(b.wanted), b.parents.size());
}

}  // namespace

int64_t Generator::unconditional() const {
  int64_t n = 0;
  for (const Branch& b : search_->live()) {
    if (b.pending.size() <= tail_of(b)) n += static_cast<int64_t>(b.pending.size());
  }
  return n;
}

void Generator::items(std::vector<CausalModel::Item>& batch, int64_t most) {
  auto columns = static_cast<size_t>(setup_->vocabulary);
  auto live = search_->live();
  ran_.assign(live.size(), 0);
  size_t rows = 0, row = 0;
  for (const Branch& b : live) rows += static_cast<size_t>(b.wanted);
  logits_.resize(rows * columns);
  for (size_t i = 0; i < live.size(); ++i) {
    Branch& b = live[i];
    auto wanted = static_cast<size_t>(b.wanted);
    auto logits = std::span<float>(logits_).subspan(row * columns, wanted * columns);
    row += wanted;
    // A text without pending ids waits for the others: its logits are there.
    size_t take = b.pending.size();
    if (take > tail_of(b)) {
      auto limit = static_cast<size_t>(std::clamp<int64_t>(most, 0, prefill_chunk_));
      if (take > limit || !b.parents.empty()) take = std::min(limit, take - tail_of(b));
    }
    // A pass ends where what was announced does: what counts as decoded begins with one.
    const auto read = out_.prompt_tokens - static_cast<int64_t>(b.pending.size());
    if (reading_ && read < announced_) {
      take = std::min(take, static_cast<size_t>(announced_ - read));
    }
    if (take == 0) continue;
    bool last = take == b.pending.size();
    CausalModel::Item item;
    item.past = b.past.get();
    item.ids = std::span<const TokenId>(b.pending).first(take);
    item.wanted = last ? b.wanted : 0;
    if (last) {
      item.parents = b.parents;
      item.logits = logits;
    }
    batch.push_back(item);
    ran_[i] = take;
    most -= static_cast<int64_t>(take);
  }
}

void Generator::advance() {
  if (done_) return;
  if (callbacks_.pass) callbacks_.pass();
  auto live = search_->live();
  bool left = false;
  for (size_t i = 0; i < live.size(); ++i) {
    auto& pending = live[i].pending;
    pending.erase(pending.begin(), pending.begin() + static_cast<ptrdiff_t>(ran_[i]));
    left = left || !pending.empty();
  }
  if (reading_ && callbacks_.prefill) {
    callbacks_.prefill(out_.prompt_tokens - static_cast<int64_t>(live[0].pending.size()),
                       out_.prompt_tokens);
  }
  if (callbacks_.stop.stop_requested()) return end(Finish::cancelled);
  if (left) return;
  try {
    search_->step(logits_);
  } catch (const Error& error) {
    if (reading_) throw;
    return end(Finish::error, error.what());
  }
  reading_ = false;
  stream();
  if (search_->live().empty()) end(Finish::length);
}

void Generator::drop_pasts() {
  for (Branch& b : search_->live()) {
    auto known = static_cast<size_t>(b.past->length());
    std::vector<TokenId> all = setup_->prompt;
    all.insert(all.end(), b.ids.begin(), b.ids.end());
    b.pending.insert(b.pending.begin(), all.begin(), all.begin() + static_cast<ptrdiff_t>(known));
    b.past.reset();
  }
  if (setup_->drafter) setup_->drafter->forget();
}

void Generator::resume(const Past* prefix) {
  for (Branch& b : search_->live()) {
    b.past = prefix ? prefix->fork() : model_.new_past();
    b.past->announce(announced_);
    b.pending.erase(b.pending.begin(),
                    b.pending.begin() + static_cast<ptrdiff_t>(b.past->length()));
  }
}

void Generator::stream() {
  if (!callbacks_.text || !search_->final_as_chosen()) return;
  auto live = search_->live();
  if (live.empty() || live[0].text.size() <= given_) return;
  // A copy: the callback may end the generation.
  std::string fresh = live[0].text.substr(given_);
  given_ += fresh.size();
  callbacks_.text(fresh);
}

void Generator::end(Finish why, std::string error) {
  if (done_) return;
  done_ = true;
  out_.error = std::move(error);
  out_.drafts = search_->draft_counts();
  results_ = search_->take();
  for (Branch& b : results_) b.end(why);
  if (callbacks_.text && results_[0].text.size() > given_) {
    callbacks_.text(std::string_view(results_[0].text).substr(given_));
  }
}

Generation Generator::take() {
  for (size_t i = 0; i < results_.size(); ++i) {
    Branch& b = results_[i];
    GeneratedText text{std::move(b.text), std::move(b.ids), std::move(b.steps), b.finish, b.score};
    if (i == 0) {
      out_.best = std::move(text);
      out_.past = std::move(b.past);
    } else {
      out_.others.push_back(std::move(text));
    }
  }
  return std::move(out_);
}

Generation generate(CausalModel& model, std::shared_ptr<const Tokenizer> tokenizer,
                    std::vector<TokenId> prompt, const GenerateOptions& options,
                    GenerateCallbacks callbacks, std::unique_ptr<Past> past) {
  auto stop = callbacks.stop;
  double begin = now(), prefilled = begin;
  bool decoding = false;
  Generator generator(model, std::move(tokenizer), std::move(prompt), options, std::move(callbacks),
                      std::move(past));
  std::vector<CausalModel::Item> batch;
  while (!generator.done()) {
    if (stop.stop_requested()) {
      generator.end(Finish::cancelled);
      break;
    }
    batch.clear();
    generator.items(batch);
    bool wanted = std::ranges::all_of(batch, [](const auto& item) { return item.wanted > 0; });
    try {
      model.forward(batch);
    } catch (const Error& error) {
      if (!decoding) throw;
      generator.end(Finish::error, error.what());
      break;
    }
    if (wanted && !decoding) {
      decoding = true;
      prefilled = now();
    }
    generator.advance();
  }
  Generation out = generator.take();
  double end = now();
  if (!decoding) prefilled = end;
  out.prefill_seconds = prefilled - begin;
  out.decode_seconds = end - prefilled;
  return out;
}

}  // namespace tessera
