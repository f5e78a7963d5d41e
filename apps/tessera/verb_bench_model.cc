#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/tessera/number_checks.h"
#include "apps/tessera/profile_report.h"
#include "apps/tessera/session.h"
#include "apps/tessera/spec_flags.h"
#include "tessera/base/error.h"
#include "tessera/network/policy.h"

namespace tessera::cli {
namespace {

struct BenchOptions {
  CommonOptions common;
  int64_t prompt_tokens = 512, tokens = 64, rounds = 3, batch = 1, verify = 0;
  std::string context = "full";
  bool profile = false;
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Rates {
  double prefill = 0, decode = 0;  // tokens a second
  double verify = 0;               // passes a second over `verify` tokens of one text
};

// Passes a second that check guesses: several ids of one text, whose logits are all wanted and
// which are taken back.
double verifying(LanguageModel& model, Past& past, const BenchOptions& o) {
  const std::vector<int32_t> ids(static_cast<size_t>(o.verify), 1);
  std::vector<float> logits(ids.size() * static_cast<size_t>(model.vocabulary_size()));
  const int64_t length = past.length();
  const double start = seconds();
  for (int64_t i = 0; i < o.tokens; ++i) {
    const CausalModel::Item item{&past, ids, {}, logits, o.verify};
    model.forward({&item, 1});
    past.truncate(length);
  }
  return static_cast<double>(o.tokens) / (seconds() - start);
}

// `profile`: null, or what is told when the prompt has been read.
Rates run_round(LanguageModel& model, const BenchOptions& o, PhaseProfile* profile = nullptr) {
  const int64_t vocabulary = model.vocabulary_size();
  std::vector<int32_t> prompt(static_cast<size_t>(o.prompt_tokens));
  for (size_t i = 0; i < prompt.size(); ++i) {
    prompt[i] = static_cast<int32_t>(static_cast<int64_t>(i) * 7919 % vocabulary);
  }
  const auto columns = static_cast<size_t>(vocabulary), texts = static_cast<size_t>(o.batch);
  std::vector<float> logits(texts * columns);
  std::vector<std::unique_ptr<Past>> pasts;
  pasts.push_back(model.new_past());
  Rates r;
  for (const auto& p : pasts) p->announce(o.prompt_tokens);
  double start = seconds();
  CausalModel::Item item{pasts[0].get(), prompt, {}, std::span(logits).first(columns), 1};
  model.forward({&item, 1});
  r.prefill = static_cast<double>(o.prompt_tokens) / (seconds() - start);
  if (profile) profile->decoding_begins();
  // Each text goes on from the prompt by itself.
  for (size_t t = 1; t < texts; ++t) {
    pasts.push_back(pasts[0]->fork());
    std::copy_n(logits.begin(), columns, logits.begin() + static_cast<ptrdiff_t>(t * columns));
  }
  std::vector<int32_t> next(texts);
  std::vector<CausalModel::Item> items(texts);
  start = seconds();
  for (int64_t i = 0; i < o.tokens; ++i) {
    for (size_t t = 0; t < texts; ++t) {
      const auto row = std::span(logits).subspan(t * columns, columns);
      next[t] = static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
      items[t] = {pasts[t].get(), std::span(next).subspan(t, 1), {}, row, 1};
    }
    model.forward(items);
  }
  r.decode = static_cast<double>(o.tokens * o.batch) / (seconds() - start);
  if (o.verify > 0) r.verify = verifying(model, *pasts[0], o);
  return r;
}

int bench(const BenchOptions& o) {
  check_method<ContextPolicy>("--context", o.context);
  Session s = open_session(o.common, o.context);
  if (o.verify > 0 && !s.model->new_past()->keeps_everything()) {
    throw WrongCommand("--verify", "takes tokens back, which this --context cannot",
                       "Measure it with --context full.");
  }
  if (o.prompt_tokens + o.tokens + o.verify > s.model->context()) {
    throw Error("tessera bench model",
                fmt::format("{} + {} tokens do not fit the context of {}", o.prompt_tokens,
                            o.tokens + o.verify, s.model->context()),
                s.model->trained_context() > s.model->context()
                    ? fmt::format("Ask for fewer, or open it for more: --ctx {}.",
                                  std::min(o.prompt_tokens + o.tokens, s.model->trained_context()))
                    : "Ask for fewer.");
  }
  Rates best;
  for (int64_t i = 0; i < o.rounds; ++i) {
    const Rates r = run_round(*s.model, o);
    best = {std::max(best.prefill, r.prefill), std::max(best.decode, r.decode),
            std::max(best.verify, r.verify)};
  }
  // A round of its own: the clock is read some hundred times a pass.
  std::optional<PhaseProfile> profile;
  if (o.profile) {
    profile.emplace(s.model->network());
    run_round(*s.model, o, &*profile);
  }
  const EngineMemory memory = memory_of(s.model->network());
  if (!o.common.json) {
    fmt::print(
        "prefill {:8.1f} tokens/s   ({} tokens)\ndecode  {:8.1f} tokens/s   ({} tokens after "
        "them)\n"
        "weights {:8.1f} MB          peak memory {:.1f} MB\n",
        best.prefill, o.prompt_tokens, best.decode, o.tokens,
        static_cast<double>(memory.weight_bytes) / 1e6, static_cast<double>(peak_memory()) / 1e6);
    if (o.verify > 0) {
      fmt::print("verify  {:8.1f} passes/s   ({} tokens each, {:.2f} times the time of one)\n",
                 best.verify, o.verify, best.decode / static_cast<double>(o.batch) / best.verify);
    }
    if (profile) fmt::print("\n{}", profile->table());
    return kDone;
  }
  nlohmann::ordered_json out;
  out["prefill_tokens_per_s"] = best.prefill;
  out["decode_tokens_per_s"] = best.decode;
  out["weight_bytes"] = memory.weight_bytes;
  out["peak_memory_bytes"] = peak_memory();
  out["prompt_tokens"] = o.prompt_tokens;
  out["tokens"] = o.tokens;
  out["batch"] = o.batch;
  if (o.verify > 0) {
    out["verify"] = o.verify;
    out["verify_passes_per_s"] = best.verify;
  }
  if (profile) out["profile"] = profile->json();
  fmt::print("{}\n", out.dump());
  return kDone;
}

}  // namespace

Verb verb_bench_model() {
  return {
      "bench model", "prefill and decode speed of a model on this machine", [](CLI::App& app) {
        auto o = std::make_shared<BenchOptions>();
        teach(app, "  tessera bench model --prompt-tokens 512 --tokens 64");
        add_model(app, o->common);
        app.add_option("--prompt-tokens", o->prompt_tokens, "tokens of the prompt [512]")
            ->check(above_zero());
        app.add_option("--tokens", o->tokens, "tokens decoded after it [64]")->check(above_zero());
        app.add_option("--rounds", o->rounds, "rounds, the best of which counts [3]")
            ->check(above_zero());
        app.add_option("--batch", o->batch, "texts decoded together, whose tokens all count [1]")
            ->check(CLI::Range(1, 4096));
        app.add_option("--verify", o->verify,
                       "also time passes over N tokens of a text, as drafts are checked; with "
                       "--context full")
            ->type_name("N")
            ->check(CLI::Range(1, 512));
        app.add_flag("--profile", o->profile,
                     "a further round, timed by operation beside the floor");
        app.add_option("--context", o->context, "what each token sees [full]");
        add_ctx(app, o->common);
        add_cache_type(app, o->common);
        add_precise(app, o->common);
        add_device(app, o->common);
        add_threads(app, o->common);
        add_json(app, o->common);
        return [o] { return bench(*o); };
      }};
}

}  // namespace tessera::cli
