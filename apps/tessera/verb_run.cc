#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stop_token>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "apps/tessera/answer.h"
#include "apps/tessera/human.h"
#include "apps/tessera/number_checks.h"
#include "apps/tessera/profile_report.h"
#include "apps/tessera/read_document.h"
#include "apps/tessera/session.h"
#include "apps/tessera/spec_flags.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/base/spec.h"
#include "tessera/decode/generate.h"
#include "tessera/eval/trace_file.h"
#include "tessera/files/memory_plan.h"
#include "tessera/files/weights_hash.h"
#include "tessera/network/past_file.h"
#include "tessera/network/policy.h"
#include "tessera/text/corpus.h"
#include "tessera/use/reader.h"

namespace tessera::cli {
namespace {

// The file of a trace, and what it takes in memory.
constexpr int64_t kTraceBytes = 32 << 20;

class Runner {
 public:
  explicit Runner(const RunOptions& o)
      : o_(o), session_(open_run(o)), options_(generate_options(o, session_)) {
    if (!o.trace.empty()) {
      const AtomicFile probe(o.trace);
      trace_selections(session_.model->network(), &trace_);
    }
    if (o.cache.empty()) return;
    const AtomicFile probe(o.cache);  // said before the answer: it cannot be written
    origin_ =
        past_origin(session_.files, *session_.tokenizer, o.context, session_.model->network());
    // Whether it can be kept is said before the answer, too.
    Network& network = session_.model->network();
    network.write_past(*network.new_past(o.context), [](std::span<const std::byte>) {});
    if (!std::filesystem::exists(o.cache)) return;
    KeptPast kept = load_past(o.cache, origin_, session_.model->network());
    past_ = std::move(kept.past);
    held_ = std::move(kept.ids);
  }

  int once(const std::string& text) {
    ChatPrompt prompt;
    if (o_.file.empty()) {
      prompt = prompt_for(text);
    } else {
      auto read = read_document(o_, session_, text);
      if (!read) return kInterrupted;
      prompt = std::move(read->prompt);
      read_ = std::move(read->report);
    }
    if (o_.show_prompt) return show(prompt);
    if (o_.profile) profile_.emplace(session_.model->network());
    Generation g = answer(prompt);
    print(g);
    if (profile_ && !o_.common.json) tell("\n" + profile_->table());
    if (!o_.common.json) say_if_nothing_was_left_out(g);
    if (g.best.finish == Finish::error) throw Error("answer", g.error);
    if (!o_.trace.empty()) write_trace(prompt, g);
    const bool stopped = g.best.finish == Finish::cancelled && interrupted();
    keep(prompt, std::move(g));
    keep_in_file();
    return stopped ? kInterrupted : kDone;
  }

  // Lines of a terminal are turns; Ctrl-C stops an answer, Ctrl-D ends the talk.
  int chat() {
    Conversation talk = conversation(session_, o_);
    if (!o_.system.empty()) talk.say("system", o_.system);
    if (is_terminal(STDERR_FILENO)) {
      tell("Type a message and press Enter. Ctrl-C stops an answer, Ctrl-D leaves.");
    }
    while (auto line = read_line("> ")) {
      if (line->empty()) continue;
      const size_t said = talk.size();
      talk.say("user", *line);
      try {
        const ChatPrompt prompt = talk.prompt();
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
    keep_in_file();
    return kDone;
  }

 private:
  void write_trace(const ChatPrompt& prompt, const Generation& g) const {
    std::vector<TokenId> ids = prompt.ids;
    ids.insert(ids.end(), g.best.ids.begin(), g.best.ids.end());
    const ModelDescription& d = session_.model->network().description();
    trace_.write(o_.trace,
                 {weights_hash(session_.files.tensors), o_.context, d.layers, d.heads,
                  static_cast<int64_t>(prompt.ids.size())},
                 ids);
    if (trace_.left_out() > 0) {
      tell(fmt::format("tessera run: {} choices did not fit the trace of {} MB", trace_.left_out(),
                       kTraceBytes >> 20));
    }
  }

  ChatPrompt prompt_for(const std::string& text) const {
    if (o_.raw) return raw_prompt(*session_.tokenizer, text, o_.special_in_text);
    Conversation talk = conversation(session_, o_);
    if (!o_.system.empty()) talk.say("system", o_.system);
    talk.say("user", text);
    return talk.prompt();
  }

  int show(const ChatPrompt& prompt) const {
    if (o_.common.json) {
      fmt::print("{}\n", dump(Json{{"prompt", prompt.text}, {"ids", prompt.ids}}));
      return kDone;
    }
    fmt::print("{}\n\n{} tokens:", prompt.text, prompt.ids.size());
    for (TokenId id : prompt.ids) fmt::print(" {}", id);
    fmt::print("\n");
    return kDone;
  }

  // What would end in the kernel's hands is refused with the numbers.
  void need_memory(int64_t tokens) const {
    const int64_t free = available_memory();
    const int64_t needed = session_.model->cache_bytes_for(tokens, options_.prefill_chunk);
    if (free <= 0 || needed <= free) return;
    throw Error("prompt",
                fmt::format("the keys and values of its {} tokens take {}, and {} are free",
                            grouped(tokens), human_bytes(needed), human_bytes(free)),
                "Shorten it, read a document with --read, or name a policy that lets go of what it "
                "has read (`tessera list context`).");
  }

  Generation answer(const ChatPrompt& prompt) {
    need_memory(static_cast<int64_t>(prompt.ids.size()));
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
      if (profile_ && done == total) profile_->decoding_begins();
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

  void keep(const ChatPrompt& prompt, Generation g) {
    held_ = prompt.ids;
    held_.insert(held_.end(), g.best.ids.begin(), g.best.ids.end());
    past_ = std::move(g.past);
    if (past_) held_.resize(std::min(held_.size(), static_cast<size_t>(past_->length())));
  }

  void keep_in_file() const {
    if (o_.cache.empty() || !past_) return;
    save_past(o_.cache, origin_, session_.model->network(), held_, *past_);
  }

  // The result; a plain answer was streamed and lacks its line's end at most.
  void print(const Generation& g) const {
    if (o_.common.json) {
      Json result = result_json(o_, options_, g);
      if (profile_) result["profile"] = profile_->json();
      if (!read_.is_null()) result["read"] = read_;
      put_now(dump(result) + "\n");
    }
    if (!o_.common.json && !g.best.text.ends_with('\n')) put_now("\n");
  }

  // A policy that did nothing says so; with --json, attended_everything does.
  void say_if_nothing_was_left_out(const Generation& g) const {
    if (!g.past || make_guest<ContextPolicy>(o_.context)->attends_everything()) return;
    const PastCounters c = g.past->counters();
    if (c.full_steps < c.steps || c.selections > 0) return;
    tell(fmt::format(
        "tessera run: --context {} left nothing out: {} tokens are no more than it lets "
        "a token see",
        o_.context, c.tokens_seen));
  }

  const RunOptions& o_;
  TraceRecorder trace_{kTraceBytes};  // outlives the pasts that tell it
  Session session_;
  GenerateOptions options_;
  Json read_;                   // what of a document was kept
  PastOrigin origin_;           // with --cache
  std::unique_ptr<Past> past_;  // of the talk, and the ids that it holds
  std::vector<TokenId> held_;
  std::optional<PhaseProfile> profile_;  // with --profile
};

// What is wrong with the flags is said before a model is opened.
void check_flags(const RunOptions& o) {
  check_method<ContextPolicy>("--context", o.context);
  check_spec<Constraint>("--constrain", o.constrain);
  check_spec<Strategy>("--decode", decode_spec(o, {}));
  check_spec<Drafter>("--draft", o.draft);
  if (!o.read.empty()) check_read_flags(o);
  for (const std::string& a : o.template_arguments) {
    if (a.find('=') == std::string::npos || a[0] == '=') {
      throw WrongCommand("--template-arg " + a, "is not KEY=VALUE");
    }
  }
}

int run_verb(const RunOptions& o) {
  check_flags(o);
  if (!o.jsonl.empty()) return run_jsonl(o);
  if (!o.file.empty() && !o.prompt_given && (o.file == "-" || is_terminal(STDIN_FILENO))) {
    throw WrongCommand("--file " + o.file, "is read for a question, and there is none",
                       "Give the question as the prompt.");
  }
  if (!o.prompt_given && is_terminal(STDIN_FILENO)) {
    if (o.raw || o.show_prompt || !o.trace.empty()) {
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
        app.add_option("--file", o->file,
                       "a document that the prompt asks about; - for standard input")
            ->type_name("FILE");
        app.add_option("--read", o->read,
                       "what of the document is put in front of the prompt [whole]; more: tessera "
                       "list read")
            ->type_name("SPEC");
        app.add_option("--max-tokens", o->max_tokens,
                       "longest answer [as much as the context holds]")
            ->type_name("N")
            ->check(above_zero());
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
        app.add_option("--draft", o->draft,
                       "guess tokens ahead and check them together; the answer stays the same "
                       "[none]; more: tessera list draft")
            ->type_name("SPEC");
        app.add_option("--with", o->with,
                       "a second model: draft=REF guesses for --draft draft-model")
            ->type_name("ROLE=REF")
            ->allow_extra_args(false);
        app.add_option("--context", o->context,
                       "what each token sees [full]; more: tessera list context")
            ->type_name("SPEC");
        add_ctx(app, o->common);
        add_cache_type(app, o->common);
        add_precise(app, o->common);
        add_device(app, o->common);
        app.add_option("--seed", o->seed, "seed of the random numbers [a fresh one]")
            ->type_name("N");
        app.add_option("--stop", o->stop, "text that ends the answer (repeatable)")
            ->type_name("S")
            ->allow_extra_args(false);
        app.add_option("--template-arg", o->template_arguments,
                       "variable of the chat template (repeatable)")
            ->type_name("K=V")
            ->allow_extra_args(false);
        app.add_flag("--show-prompt", o->show_prompt,
                     "print the rendered prompt and its ids, then stop");
        app.add_flag("--profile", o->profile,
                     "after the answer, time and bytes by operation beside the floor, to standard "
                     "error; with --json in the result")
            ->excludes("--show-prompt");
        app.add_option("--cache", o->cache,
                       "keep what was read in FILE; the next run with it reads only what is new")
            ->type_name("FILE")
            ->excludes("--show-prompt");
        app.add_option("--trace", o->trace,
                       "write what the --context policy lets each decoded token see; to be looked "
                       "at with tessera trace")
            ->type_name("FILE")
            ->excludes("--show-prompt");
        app.add_option("--jsonl", o->jsonl,
                       "answer every line of FILE, an object with \"prompt\" or \"messages\", many "
                       "at once; - for standard input")
            ->type_name("FILE")
            ->excludes(prompt)
            ->excludes("--cache")
            ->excludes("--trace")
            ->excludes("--profile")
            ->excludes("--show-prompt");
        app.add_option("--batch", o->batch, "with --jsonl: requests at once [8]")
            ->type_name("N")
            ->needs("--jsonl")
            ->check(CLI::Range(1, 4096));
        app.add_option("--cache-bytes", o->cache_bytes,
                       "with --jsonl: what their keys and values may take together, as 512M [no "
                       "bound]")
            ->type_name("SIZE")
            ->needs("--jsonl")
            ->transform(CLI::AsSizeValue(true));
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
          if (!o->file.empty() && o->read.empty()) {
            o->read = guests<Reader>().front().entry.name;
          }
          return run_verb(*o);
        };
      }};
}

}  // namespace tessera::cli
