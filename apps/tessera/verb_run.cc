#include <algorithm>
#include <cstdio>
#include <stop_token>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/chat.h"
#include "apps/tessera/session.h"
#include "apps/tessera/spec_flags.h"
#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/base/spec.h"
#include "tessera/decode/generate.h"
#include "tessera/network/policy.h"
#include "tessera/text/corpus.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct RunOptions {
  CommonOptions common;
  std::string prompt, system, context = "full", decode, constrain = "none";
  bool prompt_given = false, raw = false, stream = false, show_prompt = false,
       special_in_text = false;
  int64_t max_tokens = 0, top_logprobs = -1;
  std::string temp, top_k, top_p, min_p;  // as typed: they become keys of the spec
  std::optional<uint64_t> seed;
  std::vector<std::string> stop, template_arguments;
};

// Text that may hold bytes that are no UTF-8, which JSON cannot carry.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void set_key(Spec& spec, const std::string& key, const std::string& value) {
  for (auto& [k, v] : spec.options) {
    if (k == key) {
      v = value;
      return;
    }
  }
  spec.options.emplace_back(key, value);
}

// --decode, the short flags, or what the model's own files ask for; said once when it is the
// latter.
std::string decode_spec(const RunOptions& o, const GenerationSettings& own) {
  const std::pair<const char*, const std::string&> flags[] = {
      {"temp", o.temp}, {"top-k", o.top_k}, {"top-p", o.top_p}, {"min-p", o.min_p}};
  bool any = false;
  for (const auto& [key, value] : flags) any = any || !value.empty();
  if (!any && !o.decode.empty()) return o.decode;
  Spec spec = Spec::parse(o.decode.empty() ? "sample" : o.decode);
  if (any) {
    for (const auto& [key, value] : flags) {
      if (!value.empty()) set_key(spec, key, value);
    }
    return spec.text();
  }
  if (!own.temperature || *own.temperature == 0) return "greedy";
  set_key(spec, "temp", fmt::format("{}", *own.temperature));
  if (own.top_k) set_key(spec, "top-k", fmt::format("{}", *own.top_k));
  if (own.top_p) set_key(spec, "top-p", fmt::format("{}", *own.top_p));
  if (own.min_p) set_key(spec, "min-p", fmt::format("{}", *own.min_p));
  if (own.repetition_penalty) set_key(spec, "repeat", fmt::format("{}", *own.repetition_penalty));
  tell("tessera run: the model's own settings: --decode " + spec.text());
  return spec.text();
}

double rate(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

class Runner {
 public:
  explicit Runner(const RunOptions& o) : o_(o), session_(open_session(o.common, o.context)) {
    options_.decode = decode_spec(o, session_.files.generation);
    options_.constrain = o.constrain;
    options_.max_tokens = o.max_tokens;
    options_.stop = o.stop;
    options_.seed = o.seed;
    options_.top_logprobs = o.top_logprobs;
    options_.context = session_.model->context() > (int64_t{1} << 60) ? -1 : 0;
    for (int64_t id : session_.files.generation.stop_ids)
      options_.stop_ids.push_back(static_cast<TokenId>(id));
    if (const auto eos = session_.tokenizer->eos()) options_.stop_ids.push_back(*eos);
  }

  int once(const std::string& text) {
    const Prompt prompt = prompt_for(text);
    if (o_.show_prompt) return show(prompt);
    const Generation g = answer(prompt);
    print(g);
    if (g.best.finish == Finish::error) throw Error("answer", g.error);
    return g.best.finish == Finish::cancelled && interrupted() ? kInterrupted : kDone;
  }

  // Lines of a terminal are turns; Ctrl-C stops an answer, Ctrl-D ends the talk.
  int chat() {
    Conversation talk(session_, o_.template_arguments, o_.special_in_text);
    if (!o_.system.empty()) talk.say("system", o_.system);
    if (is_terminal(STDERR_FILENO)) {
      tell("Type a message and press Enter. Ctrl-C stops an answer, Ctrl-D leaves.");
    }
    while (auto line = read_line("> ")) {
      if (line->empty()) continue;
      const size_t said = talk.size();
      talk.say("user", *line);
      try {
        const Prompt prompt = talk.prompt();
        Generation g = answer(prompt);
        print(g);
        if (!o_.common.json) put_now("\n");
        if (g.best.finish == Finish::error) throw Error("answer", g.error);
        talk.say("assistant", g.best.text);
        keep(prompt, std::move(g));
      } catch (const Error& error) {
        tell(std::string("tessera: ") + error.what());
        talk.truncate(said);
      }
    }
    return kDone;
  }

 private:
  Prompt prompt_for(const std::string& text) const {
    if (o_.raw) return raw_prompt(session_, text, o_.special_in_text);
    Conversation talk(session_, o_.template_arguments, o_.special_in_text);
    if (!o_.system.empty()) talk.say("system", o_.system);
    talk.say("user", text);
    return talk.prompt();
  }

  int show(const Prompt& prompt) const {
    if (o_.common.json) {
      fmt::print("{}\n", dump(Json{{"prompt", prompt.text}, {"ids", prompt.ids}}));
      return kDone;
    }
    fmt::print("{}\n\n{} tokens:", prompt.text, prompt.ids.size());
    for (TokenId id : prompt.ids) fmt::print(" {}", id);
    fmt::print("\n");
    return kDone;
  }

  Generation answer(const Prompt& prompt) {
    interrupted();  // installs the handler
    std::stop_source stop;
    GenerateCallbacks callbacks;
    callbacks.stop = stop.get_token();
    callbacks.text = [&](std::string_view piece) {
      if (!o_.common.json) put_now(piece);
      if (o_.common.json && o_.stream) put_now(dump(Json{{"piece", std::string(piece)}}) + "\n");
    };
    // A reader that went away wants no more.
    callbacks.pass = [&] {
      if (interrupted() || reader_gone()) stop.request_stop();
    };
    std::optional<Progress> bar;
    if (is_terminal(STDERR_FILENO) && prompt.ids.size() > 2000) {
      ProgressOptions shown;
      shown.label = "reading";
      shown.unit = "tokens";
      shown.total = static_cast<int64_t>(prompt.ids.size());
      shown.sink = descriptor_sink(STDERR_FILENO);
      bar.emplace(shown);
    }
    int64_t read = 0;
    callbacks.prefill = [&](int64_t done, int64_t total) {
      if (bar) bar->advance(done - read);
      read = done;
      if (bar && done == total) bar->finish();
    };
    return generate(*session_.model, session_.tokenizer, prompt.ids, options_, callbacks,
                    reusable(prompt.ids));
  }

  // The past of the talk so far, cut to what the new prompt shares with it.
  std::unique_ptr<Past> reusable(const std::vector<TokenId>& ids) {
    if (!past_) return nullptr;
    size_t same = 0;
    while (same < held_.size() && same + 1 < ids.size() && held_[same] == ids[same]) ++same;
    auto past = std::move(past_);
    if (static_cast<int64_t>(same) < past->length()) {
      if (!past->can_truncate()) return nullptr;
      past->truncate(static_cast<int64_t>(same));
    }
    return past;
  }

  void keep(const Prompt& prompt, Generation g) {
    held_ = prompt.ids;
    held_.insert(held_.end(), g.best.ids.begin(), g.best.ids.end());
    past_ = std::move(g.past);
    if (past_) held_.resize(std::min(held_.size(), static_cast<size_t>(past_->length())));
  }

  // The result; a plain answer was streamed and lacks its line's end at most.
  void print(const Generation& g) const {
    if (o_.common.json) print_json(g);
    if (!o_.common.json && !g.best.text.ends_with('\n')) put_now("\n");
  }

  void print_json(const Generation& g) const {
    Json out;
    out["text"] = g.best.text;
    out["ids"] = g.best.ids;
    out["prompt_tokens"] = g.prompt_tokens;
    out["reused_tokens"] = g.reused_tokens;
    out["tokens"] = g.best.ids.size();
    out["seed"] = g.seed;
    out["decode"] = options_.decode;
    out["context"] = context_report(o_.context, g.past ? g.past->counters() : PastCounters{});
    out["prefill_tokens_per_s"] = rate(g.prompt_tokens - g.reused_tokens, g.prefill_seconds);
    out["decode_tokens_per_s"] = rate(static_cast<int64_t>(g.best.ids.size()), g.decode_seconds);
    out["finish"] = finish_name(g.best.finish);
    if (!g.error.empty()) out["error"] = g.error;
    if (o_.top_logprobs >= 0) {
      out["logprobs"] = Json::array();
      for (const Step& s : g.best.steps) {
        Json step = {{"id", s.id}, {"logprob", s.logprob}, {"top", Json::array()}};
        for (const TokenLogprob& t : s.top)
          step["top"].push_back({{"id", t.id}, {"logprob", t.logprob}});
        out["logprobs"].push_back(step);
      }
    }
    if (!g.others.empty()) {
      out["others"] = Json::array();
      for (const GeneratedText& t : g.others)
        out["others"].push_back({{"text", t.text}, {"score", t.score}});
    }
    put_now(dump(out) + "\n");
  }

  const RunOptions& o_;
  Session session_;
  GenerateOptions options_;
  std::unique_ptr<Past> past_;  // of the talk, and the ids that it holds
  std::vector<TokenId> held_;
};

// What is wrong with the flags is said before a model is opened.
void check_flags(const RunOptions& o) {
  check_method<ContextPolicy>("--context", o.context);
  check_spec<Constraint>("--constrain", o.constrain);
  check_spec<Strategy>("--decode", decode_spec(o, {}));
  for (const std::string& a : o.template_arguments) {
    if (a.find('=') == std::string::npos || a[0] == '=') {
      throw WrongCommand("--template-arg " + a, "is not KEY=VALUE");
    }
  }
}

int run_verb(const RunOptions& o) {
  check_flags(o);
  if (!o.prompt_given && is_terminal(STDIN_FILENO)) {
    if (o.raw || o.show_prompt) {
      throw WrongCommand("tessera run", "there is no prompt",
                         "Give one, or pipe it to standard input.");
    }
    return Runner(o).chat();
  }
  const std::string text = o.prompt_given ? o.prompt : read_text("-");
  if (text.empty()) throw Error("prompt", "it is empty", "Give a text to answer.");
  return Runner(o).once(text);
}

}  // namespace

Verb verb_run() {
  return {
      "run", "stream an answer; without PROMPT, from standard input, or a chat on a terminal",
      [](CLI::App& app) {
        auto o = std::make_shared<RunOptions>();
        teach(app,
              "  tessera run \"What is the capital of France?\"\n"
              "The answer is all that goes to standard output.");
        auto* prompt = app.add_option("prompt", o->prompt, "what to answer")->type_name("PROMPT");
        add_model(app, o->common);
        add_tokenizer(app, o->common);
        app.add_option("--system", o->system, "system message before the prompt")->type_name("S");
        app.add_flag("--raw", o->raw, "continue the text as it is, without the chat template");
        app.add_option("--max-tokens", o->max_tokens,
                       "longest answer [as much as the context holds]")
            ->type_name("N")
            ->check(CLI::PositiveNumber);
        app.add_option("--temp", o->temp, "temperature; 0 is greedy [the model's own, else greedy]")
            ->type_name("T");
        app.add_option("--top-k", o->top_k, "keep the k likeliest tokens")->type_name("K");
        app.add_option("--top-p", o->top_p, "keep the likeliest tokens that sum to P")
            ->type_name("P");
        app.add_option("--min-p", o->min_p,
                       "keep tokens at least P times as likely as the likeliest")
            ->type_name("P");
        app.add_option("--decode", o->decode,
                       "how tokens are chosen [greedy]; more: tessera list decode")
            ->type_name("SPEC");
        app.add_option("--constrain", o->constrain,
                       "what the answer must obey [none]; more: tessera list constrain")
            ->type_name("SPEC");
        app.add_option("--context", o->context,
                       "what each token sees [full]; more: tessera list context")
            ->type_name("SPEC");
        add_ctx(app, o->common);
        app.add_option("--seed", o->seed, "seed of the random numbers [a fresh one]")
            ->type_name("N");
        app.add_option("--stop", o->stop, "text that ends the answer (repeatable)")->type_name("S");
        app.add_option("--template-arg", o->template_arguments,
                       "variable of the chat template (repeatable)")
            ->type_name("K=V");
        app.add_flag("--show-prompt", o->show_prompt,
                     "print the rendered prompt and its ids, then stop");
        app.add_option("--logprobs", o->top_logprobs,
                       "with --json: log-probabilities, and the N likeliest tokens of each step")
            ->type_name("N")
            ->check(CLI::Range(0, 1000));
        app.add_flag("--special-in-text", o->special_in_text,
                     "control tokens in the prompt become control tokens");
        app.add_flag("--stream", o->stream,
                     "with --json: one object a piece of the answer, then the result");
        add_threads(app, o->common);
        add_json(app, o->common);
        return [o, prompt] {
          o->prompt_given = prompt->count() > 0;
          return run_verb(*o);
        };
      }};
}

}  // namespace tessera::cli
