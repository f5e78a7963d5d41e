#include <cmath>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/tessera/number_checks.h"
#include "apps/tessera/session.h"
#include "apps/tessera/spec_flags.h"
#include "tessera/base/error.h"
#include "tessera/eval/score.h"
#include "tessera/network/policy.h"
#include "tessera/text/corpus.h"

namespace tessera::cli {
namespace {

struct ScoreVerb {
  CommonOptions common;
  std::string file;
  std::string context = "full";
  ScoreOptions score;
  bool logprobs = false;
  bool special_in_text = false;
};

nlohmann::ordered_json token_row(const Encoding& e, int64_t i, int64_t first, double logprob) {
  nlohmann::ordered_json row;
  const auto at = static_cast<size_t>(i - first);
  row["id"] = e.ids[at];
  row["span"] = {e.spans[at].begin, e.spans[at].end};
  row["logprob"] =
      std::isnan(logprob) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(logprob);
  return row;
}

int run_score(const ScoreVerb& o) {
  check_method<ContextPolicy>("--context", o.context);
  if (make_guest<ContextPolicy>(o.context)->foresees()) {
    throw WrongCommand("--context " + o.context, "lets later tokens change earlier ones' scores",
                       "Take a mode in which they do not: tessera list context.");
  }
  if (o.score.prefill < 0 && !make_guest<ContextPolicy>(o.context)->attends_everything()) {
    throw WrongCommand("--context " + o.context, "scores nothing without --prefill",
                       "A policy shows when tokens are decoded one by one: add --prefill N.");
  }
  const std::string text = read_text(o.file.empty() ? "-" : o.file);
  Session s = open_session(o.common, o.context);
  EncodeOptions encode;
  encode.add_template = false;
  encode.special_in_text = o.special_in_text;
  const Encoding e = s.tokenizer->encode(text, encode);
  std::vector<int32_t> ids;
  if (const auto bos = s.tokenizer->bos(); bos && s.tokenizer->adds_bos()) ids.push_back(*bos);
  const auto first = static_cast<int64_t>(ids.size());
  ids.insert(ids.end(), e.ids.begin(), e.ids.end());
  if (ids.size() < 2) {
    throw Error(o.file.empty() ? "standard input" : o.file,
                "holds no token that another one precedes", "Give a longer text.");
  }
  if (o.logprobs && first == 0) fmt::print("{}\n", token_row(e, 0, 0, std::nan("")).dump());
  int64_t bytes = 0;
  const Score result = score(*s.model, ids, o.score, [&](int64_t i, double logprob) {
    const ByteSpan span = e.spans[static_cast<size_t>(i - first)];
    bytes += span.end - span.begin;
    if (o.logprobs) fmt::print("{}\n", token_row(e, i, first, logprob).dump());
  });
  const double bits = bytes > 0 ? result.nll / std::log(2.0) / static_cast<double>(bytes) : 0;
  const double perplexity = std::exp(result.nll / static_cast<double>(result.tokens));
  if (!o.common.json) {
    fmt::print(
        "{:.4f} bits per byte   perplexity {:.3f} a token   {} tokens, {} bytes ({:.2f} bytes a "
        "token)\n",
        bits, perplexity, result.tokens, bytes,
        static_cast<double>(bytes) / static_cast<double>(result.tokens));
    return kDone;
  }
  nlohmann::ordered_json out;
  out["bytes"] = bytes;
  out["tokens"] = result.tokens;
  out["nll"] = result.nll;
  out["bits_per_byte"] = bits;
  out["perplexity"] = perplexity;
  if (o.score.prefill >= 0) {
    out["decoded_tokens"] = result.decoded_tokens;
    out["decoded_nll"] = result.decoded_nll;
    out["context"] = context_report(o.context, result.context);
  }
  fmt::print("{}\n", out.dump());
  return kDone;
}

}  // namespace

Verb verb_score() {
  return {
      "score", "bits per byte and perplexity of a text", [](CLI::App& app) {
        auto o = std::make_shared<ScoreVerb>();
        teach(app,
              "  tessera score book.txt\n"
              "Bits per byte compare across vocabularies; perplexity is per token and does not.");
        app.add_option("file", o->file, "text to score, - for standard input [-]")
            ->type_name("FILE");
        add_model(app, o->common);
        add_tokenizer(app, o->common);
        app.add_option("--window", o->score.window, "tokens seen at once [the model's context]")
            ->check(above_zero());
        app.add_option("--stride", o->score.stride, "tokens by which windows move [half a window]")
            ->check(above_zero());
        app.add_option("--prefill", o->score.prefill,
                       "prefill N tokens, decode the rest one by one")
            ->check(from_zero());
        app.add_option("--context", o->context,
                       "what each token sees [full]; more: tessera list context");
        add_ctx(app, o->common);
        add_cache_type(app, o->common);
        add_precise(app, o->common);
        add_device(app, o->common);
        app.add_flag("--logprobs", o->logprobs, "one JSON line a token before the result");
        app.add_flag("--special-in-text", o->special_in_text,
                     "control tokens in the text become control tokens");
        add_threads(app, o->common);
        add_json(app, o->common);
        return [o] { return run_score(*o); };
      }};
}

}  // namespace tessera::cli
