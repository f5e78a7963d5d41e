#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/session.h"
#include "apps/tessera/spec_flags.h"
#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/eval/needle.h"
#include "tessera/network/policy.h"
#include "tessera/text/corpus.h"

namespace tessera::cli {
namespace {

struct ContextBenchOptions {
  CommonOptions common;
  std::vector<std::string> contexts;
  std::string file;
  int64_t prompt_tokens = 8000, tokens = 32;
};

// Tokens before the prompt's end that are decoded to be thrown away: lists are made, pages touched.
constexpr int64_t kWarmUp = 2;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// What this process has used of processors: with one thread, time that no neighbour lengthens.
double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double mean(const std::vector<double>& values) {
  return values.empty() ? 0
                        : std::accumulate(values.begin(), values.end(), 0.0) /
                              static_cast<double>(values.size());
}

struct Contestant {
  std::string policy;
  std::unique_ptr<Past> past = {};
  double prefill_seconds = 0;
  std::vector<double> token = {};  // seconds of each step that counts
  PastCounters begin = {}, end = {};

  double keys() const {
    return static_cast<double>(end.decoded_keys_read - begin.decoded_keys_read) /
           static_cast<double>(end.decoded_steps - begin.decoded_steps);
  }
};

std::vector<TokenId> text_of(const ContextBenchOptions& o, const Session& session, int64_t tokens) {
  std::string text;
  if (o.file.empty()) {
    for (const std::string& sentence : made_up_sentences(1, tokens / 4)) text += sentence + " ";
  } else {
    text = read_text(o.file);
  }
  EncodeOptions plain;
  plain.add_template = false;
  std::vector<TokenId> ids = session.tokenizer->encode(text, plain).ids;
  if (static_cast<int64_t>(ids.size()) < tokens) {
    throw Error(o.file, fmt::format("has {} tokens of {}", ids.size(), tokens),
                "Give a longer text, or fewer --prompt-tokens.");
  }
  ids.resize(static_cast<size_t>(tokens));
  return ids;
}

class ContextBench {
 public:
  explicit ContextBench(const ContextBenchOptions& o) : o_(o) {
    for (const std::string& policy : o.contexts) check_method<ContextPolicy>("--context", policy);
    session_ = open_session(o.common, "full");
    const int64_t window = session_.model->context(), needed = o.prompt_tokens + o.tokens + kWarmUp;
    if (needed > window) {
      throw Error("tessera bench context",
                  fmt::format("{} tokens do not fit the window of {}", needed, window),
                  fmt::format("Full attention is what the others are compared with: open it with "
                              "--ctx {} --rope-scaling ntk:factor={}.",
                              needed, (needed + window - 1) / window));
    }
    ids_ = text_of(o, session_, needed);
    alone_ = Pool::instance().threads() == 1;
    all_.push_back({.policy = "full"});
    for (const std::string& policy : o.contexts) all_.push_back({.policy = policy});
  }

  int run() {
    interrupted();  // installs the handler
    for (Contestant& c : all_) {
      read(c);
      if (interrupted()) return kInterrupted;
    }
    empty_.past = session_.model->network().new_past("full");
    // One token each in turn, so that what else this machine does falls on all of them.
    for (int64_t step = 0; step < kWarmUp + o_.tokens; ++step) {
      decode(empty_, step);
      for (Contestant& c : all_) decode(c, step);
      if (interrupted()) return kInterrupted;
    }
    for (Contestant& c : all_) c.end = c.past->counters();
    drop_disturbed();
    report();
    return kDone;
  }

 private:
  void read(Contestant& c) {
    c.past = session_.model->network().new_past(c.policy);
    c.past->announce(o_.prompt_tokens);
    std::vector<float> logits(static_cast<size_t>(session_.model->vocabulary_size()));
    const double start = clock();
    // Pieces, as an answer is read: memory is that of one.
    constexpr int64_t piece = 512;
    for (int64_t begin = 0; begin < o_.prompt_tokens; begin += piece) {
      const auto ids = std::span(ids_)
                           .first(static_cast<size_t>(o_.prompt_tokens))
                           .subspan(static_cast<size_t>(begin));
      const bool last = begin + piece >= o_.prompt_tokens;
      const CausalModel::Item item{c.past.get(),
                                   ids.first(std::min<size_t>(ids.size(), piece)),
                                   {},
                                   last ? std::span(logits) : std::span<float>(),
                                   last ? 1 : 0};
      session_.model->forward({&item, 1});
      if (interrupted()) return;
    }
    c.prefill_seconds = clock() - start;
    if (is_terminal(STDERR_FILENO)) {
      tell(fmt::format("{}: {} tokens read in {:.1f} s", c.policy, o_.prompt_tokens,
                       c.prefill_seconds));
    }
  }

  double clock() const { return alone_ ? processor_seconds() : now(); }

  void decode(Contestant& c, int64_t step) {
    if (step == kWarmUp) c.begin = c.past->counters();
    std::vector<float> logits(static_cast<size_t>(session_.model->vocabulary_size()));
    const auto id = std::span(ids_).subspan(static_cast<size_t>(o_.prompt_tokens + step), 1);
    const CausalModel::Item item{c.past.get(), id, {}, logits, 1};
    const double start = clock();
    session_.model->forward({&item, 1});
    if (step >= kWarmUp) c.token.push_back(clock() - start);
  }

  // A token during which this process stood still counts for nobody. What no policy can take by
  // itself is three times as long as full attention mostly takes.
  void drop_disturbed() {
    std::vector<double> sorted = all_[0].token;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(sorted.size() / 2),
                     sorted.end());
    const double most = 3 * sorted[sorted.size() / 2];
    for (size_t i = all_[0].token.size(); i-- > 0;) {
      if (std::ranges::all_of(all_, [&](const Contestant& c) { return c.token[i] <= most; })) {
        continue;
      }
      ++dropped_;
      for (Contestant& c : all_) c.token.erase(c.token.begin() + static_cast<ptrdiff_t>(i));
    }
  }

  void report() const {
    const Contestant& full = all_[0];
    const double without = mean(empty_.token);
    const double full_attention = mean(full.token) - without, full_keys = full.keys();
    if (!o_.common.json) {
      put(fmt::format("{} tokens behind {}, {} of them timed{}; without a past {:.2f} ms\n",
                      o_.tokens, o_.prompt_tokens, full.token.size(),
                      alone_ ? ", in processor seconds" : "", 1e3 * without));
      put(fmt::format("{:<50} {:>6} {:>10} {:>8} {:>9} {:>9} {:>9} {:>8} {:>8} {:>7}\n", "policy",
                      "keys", "attention", "of full", "choosing", "ms/token", "x reading", "read s",
                      "MB held", "x keys"));
    }
    for (const Contestant& c : all_) {
      const double token = mean(c.token), attention = token - without, keys = c.keys();
      // What reading its keys alone would take at full attention's pace, and what the rest is of
      // the time that is saved.
      const double reading = full_attention * keys / full_keys;
      const double saved = full_attention - reading;
      const double choosing = saved > 0 ? (attention - reading) / saved : 0;
      const double of_reading = token / (without + reading);
      // Bytes beside those of the keys that a step reads.
      const auto held = static_cast<double>(c.end.bytes_resident + c.end.bytes_policy);
      const double per_key =
          static_cast<double>(full.end.bytes_resident) / static_cast<double>(full.end.tokens_seen);
      const double over = held / (per_key * keys);
      if (!o_.common.json) {
        put(fmt::format(
            "{:<50} {:>6.0f} {:>7.2f} ms {:>8.2f} {:>7.0f} % {:>9.2f} {:>9.2f} {:>8.1f} "
            "{:>8.1f} {:>7.2f}\n",
            c.policy, keys, 1e3 * attention, attention / full_attention, 100 * choosing,
            1e3 * token, of_reading, c.prefill_seconds, held / 1e6, over));
        continue;
      }
      put(nlohmann::ordered_json({{"policy", c.policy},
                                  {"prompt_tokens", o_.prompt_tokens},
                                  {"steps", c.token.size()},
                                  {"steps_dropped", dropped_},
                                  {"clock", alone_ ? "processor" : "wall"},
                                  {"keys_per_decoded_step", keys},
                                  {"attention_seconds", attention},
                                  {"attention_of_full", attention / full_attention},
                                  {"choosing_of_saved", choosing},
                                  {"token_seconds", token},
                                  {"token_of_reading", of_reading},
                                  {"decode_tokens_per_s", 1 / token},
                                  {"first_token_seconds", c.prefill_seconds},
                                  {"bytes_resident", c.end.bytes_resident},
                                  {"bytes_policy", c.end.bytes_policy},
                                  {"held_of_keys_read", over}})
              .dump() +
          "\n");
    }
  }

  ContextBenchOptions o_;
  Session session_;
  std::vector<TokenId> ids_;
  std::vector<Contestant> all_;
  Contestant empty_;  // what a token takes without a past
  bool alone_ = false;
  int64_t dropped_ = 0;
};

}  // namespace

Verb verb_bench_context() {
  return {"bench context", "what attention costs a decoded token under each context policy",
          [](CLI::App& app) {
            auto o = std::make_shared<ContextBenchOptions>();
            teach(app, "  tessera bench context --prompt-tokens 4000 --context quest:budget=500");
            add_model(app, o->common);
            app.add_option("--context", o->contexts,
                           "policy to be measured beside full (repeatable)")
                ->type_name("SPEC")
                ->required();
            app.add_option("--prompt-tokens", o->prompt_tokens, "tokens read before [8000]")
                ->check(CLI::PositiveNumber);
            app.add_option("--tokens", o->tokens, "tokens decoded by each, in turn [32]")
                ->check(CLI::PositiveNumber);
            app.add_option("--file", o->file, "the text that is read [made-up sentences]")
                ->type_name("FILE");
            add_ctx(app, o->common);
            add_cache_type(app, o->common);
            add_precise(app, o->common);
            add_threads(app, o->common);
            add_json(app, o->common);
            return [o] { return ContextBench(*o).run(); };
          }};
}

}  // namespace tessera::cli
