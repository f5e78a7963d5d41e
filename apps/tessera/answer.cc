#include "apps/tessera/answer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/spec.h"

namespace tessera::cli {
namespace {

void set_key(Spec& spec, const std::string& key, const std::string& value) {
  for (auto& [k, v] : spec.options) {
    if (k == key) {
      v = value;
      return;
    }
  }
  spec.options.emplace_back(key, value);
}

bool chosen_by_flags(const RunOptions& o) {
  return !(o.decode.empty() && o.temp.empty() && o.top_k.empty() && o.top_p.empty() &&
           o.min_p.empty());
}

bool samples(const GenerationSettings& own) { return own.temperature && *own.temperature != 0; }

double rate(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

}  // namespace

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string decode_spec(const RunOptions& o, const GenerationSettings& own) {
  const std::pair<const char*, const std::string&> flags[] = {
      {"temp", o.temp}, {"top-k", o.top_k}, {"top-p", o.top_p}, {"min-p", o.min_p}};
  Spec spec = Spec::parse(o.decode.empty() ? "sample" : o.decode);
  if (chosen_by_flags(o)) {
    bool keys = false;
    for (const auto& [key, value] : flags) {
      if (!value.empty()) set_key(spec, key, value);
      keys = keys || !value.empty();
    }
    return keys ? spec.text() : o.decode;
  }
  if (!samples(own)) return "greedy";
  set_key(spec, "temp", fmt::format("{}", *own.temperature));
  if (own.top_k) set_key(spec, "top-k", fmt::format("{}", *own.top_k));
  if (own.top_p) set_key(spec, "top-p", fmt::format("{}", *own.top_p));
  if (own.min_p) set_key(spec, "min-p", fmt::format("{}", *own.min_p));
  if (own.repetition_penalty) set_key(spec, "repeat", fmt::format("{}", *own.repetition_penalty));
  return spec.text();
}

Session open_run(const RunOptions& o) {
  Session session = open_session(o.common, o.context);
  for (const std::string& with : o.with) {
    constexpr std::string_view role = "draft=";
    if (!with.starts_with(role)) {
      throw WrongCommand("--with " + with, "is not draft=REF", "There is no other role.");
    }
    CommonOptions other = o.common;
    other.model = with.substr(role.size());
    other.tokenizer.clear();
    Session second = open_session(other, "full");
    const Vocabulary &mine = session.tokenizer->vocabulary(), &its = second.tokenizer->vocabulary();
    for (TokenId id = 0; id < std::min(mine.size(), its.size()); ++id) {
      if (mine.piece(id) == its.piece(id)) continue;
      throw Error("--with " + with,
                  fmt::format("its token {} is \"{}\", the model's is \"{}\"", id,
                              std::string(its.piece(id)), std::string(mine.piece(id))),
                  "Take a model of the same vocabulary.");
    }
    session.draft = std::move(second.model);
  }
  return session;
}

Conversation conversation(const Session& session, const RunOptions& o) {
  return {session.files, *session.tokenizer, {o.template_arguments, o.special_in_text}};
}

GenerateOptions generate_options(const RunOptions& o, const Session& session) {
  GenerateOptions out;
  out.decode = decode_spec(o, session.files.generation);
  if (!chosen_by_flags(o) && samples(session.files.generation)) {
    tell("tessera run: the model's own settings: --decode " + out.decode);
  }
  out.constrain = o.constrain;
  out.draft = o.draft;
  out.draft_model = session.draft.get();
  out.max_tokens = o.max_tokens;
  out.stop = o.stop;
  out.seed = o.seed;
  out.top_logprobs = o.top_logprobs;
  out.context = session.model->context() > (int64_t{1} << 60) ? -1 : 0;
  out.stop_ids = answer_ends(session.files, *session.tokenizer);
  return out;
}

Json result_json(const RunOptions& o, const GenerateOptions& options, const Generation& g) {
  Json out;
  out["text"] = g.best.text;
  out["ids"] = g.best.ids;
  out["prompt_tokens"] = g.prompt_tokens;
  out["reused_tokens"] = g.reused_tokens;
  out["tokens"] = g.best.ids.size();
  out["seed"] = g.seed;
  out["decode"] = options.decode;
  out["draft"] = {
      {"method", options.draft}, {"guessed", g.drafts.guessed}, {"kept", g.drafts.kept}};
  out["context"] = context_report(o.context, g.past ? g.past->counters() : PastCounters{});
  out["prefill_tokens_per_s"] = rate(g.prompt_tokens - g.reused_tokens, g.prefill_seconds);
  out["decode_tokens_per_s"] = rate(static_cast<int64_t>(g.best.ids.size()), g.decode_seconds);
  out["finish"] = finish_name(g.best.finish);
  if (!g.error.empty()) out["error"] = g.error;
  if (options.top_logprobs >= 0) {
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
  return out;
}

}  // namespace tessera::cli
