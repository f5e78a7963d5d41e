// `tessera run --jsonl`: every line a request, many answered at once.
#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "apps/tessera/answer.h"
#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/base/spec.h"
#include "tessera/decode/batch_engine.h"
#include "tessera/text/corpus.h"

namespace tessera::cli {
namespace {

// What a line asks for; fields that it lacks are those of the command line.
struct Request {
  Json id;  // as given, else the line's number
  RunOptions options;
  std::string client;
  std::vector<std::pair<std::string, std::string>> messages;  // role, text; empty: options.prompt
};

class LineReader {
 public:
  explicit LineReader(std::string where) : where_(std::move(where)) {}

  Request read(std::string_view line, int64_t number, const RunOptions& o) const {
    Request r;
    r.id = number;
    r.options = o;
    Json json;
    try {
      json = Json::parse(line);
    } catch (const Json::exception& error) {
      throw Error(where_, "is no JSON: " + std::string(error.what()), "One object a line.");
    }
    if (!json.is_object()) throw Error(where_, "is no JSON object", "One object a line.");
    for (const auto& [key, value] : json.items()) take(r, key, value);
    if (json.contains("prompt") == json.contains("messages")) {
      throw Error(where_, "has no \"prompt\" and no \"messages\", or both", "Give one of them.");
    }
    return r;
  }

 private:
  using Setter = std::function<void(Request&, const Json&)>;

  static std::string text(const Json& v) { return v.get_ref<const std::string&>(); }
  // A number, written as a flag would have it.
  static std::string number(const Json& v) {
    if (!v.is_number()) v.get_ref<const std::string&>();  // throws what the caller reports
    return v.dump();
  }
  static int64_t whole(const Json& v) {
    if (!v.is_number_integer()) v.get_ref<const std::string&>();
    return v.get<int64_t>();
  }
  static std::vector<std::string> texts(const Json& v) {
    if (v.is_string()) return {text(v)};
    std::vector<std::string> out;
    for (const Json& s : v.get_ref<const Json::array_t&>()) out.push_back(text(s));
    return out;
  }
  static void messages(Request& r, const Json& v) {
    for (const Json& m : v.get_ref<const Json::array_t&>())
      r.messages.emplace_back(text(m.at("role")), text(m.at("content")));
  }

  void take(Request& r, const std::string& key, const Json& v) const {
    static const std::map<std::string, std::pair<const char*, Setter>> fields = {
        {"id", {"any value", [](Request& q, const Json& x) { q.id = x; }}},
        {"prompt", {"a text", [](Request& q, const Json& x) { q.options.prompt = text(x); }}},
        {"messages", {"a list of {\"role\", \"content\"}", messages}},
        {"client", {"a text", [](Request& q, const Json& x) { q.client = text(x); }}},
        {"system", {"a text", [](Request& q, const Json& x) { q.options.system = text(x); }}},
        {"raw",
         {"true or false",
          [](Request& q, const Json& x) { q.options.raw = x.get_ref<const Json::boolean_t&>(); }}},
        {"max_tokens",
         {"a whole number of at least 1",
          [](Request& q, const Json& x) {
            q.options.max_tokens = whole(x);
            if (q.options.max_tokens < 1) x.get_ref<const std::string&>();
          }}},
        {"seed",
         {"a whole number of at least 0",
          [](Request& q, const Json& x) {
            if (whole(x) < 0) x.get_ref<const std::string&>();
            q.options.seed = x.get<uint64_t>();
          }}},
        {"stop",
         {"a text or a list of texts",
          [](Request& q, const Json& x) { q.options.stop = texts(x); }}},
        {"decode", {"a text", [](Request& q, const Json& x) { q.options.decode = text(x); }}},
        {"constrain", {"a text", [](Request& q, const Json& x) { q.options.constrain = text(x); }}},
        {"temp", {"a number", [](Request& q, const Json& x) { q.options.temp = number(x); }}},
        {"top_k", {"a number", [](Request& q, const Json& x) { q.options.top_k = number(x); }}},
        {"top_p", {"a number", [](Request& q, const Json& x) { q.options.top_p = number(x); }}},
        {"min_p", {"a number", [](Request& q, const Json& x) { q.options.min_p = number(x); }}},
    };
    const auto field = fields.find(key);
    if (field == fields.end()) {
      std::vector<std::string> names;
      for (const auto& [name, unused] : fields) names.push_back(name);
      throw Error(where_, "has an unknown field \"" + key + "\"", did_you_mean(key, names));
    }
    try {
      field->second.second(r, v);
    } catch (const Json::exception&) {
      throw Error(where_, fmt::format("\"{}\" is {}, not {}", key, dump(v), field->second.first));
    }
  }

  std::string where_;
};

class Batch {
 public:
  explicit Batch(const RunOptions& o) : o_(o) {
    read_lines(o.jsonl, [&](std::string_view line) {
      ++lines_;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
      const std::string where =
          fmt::format("{}: line {}", o.jsonl == "-" ? "standard input" : o.jsonl, lines_);
      requests_.push_back(LineReader(where).read(line, lines_, o));
      wheres_.push_back(where);
    });
    if (requests_.empty()) throw Error(o.jsonl, "holds no request", "Give one object a line.");
  }

  int run() {
    session_.emplace(open_run(o_));
    plain_ = generate_options(o_, *session_);
    BatchOptions options;
    options.running = o_.batch;
    options.memory = static_cast<int64_t>(o_.cache_bytes);
    BatchEngine engine(*session_->model, session_->tokenizer, options);
    results_.resize(requests_.size());
    for (size_t i = 0; i < requests_.size(); ++i) submit(engine, i);
    show_progress();
    interrupted();  // installs the handler
    bool stopped = false;
    while (engine.step()) {
      print_ready();
      if (stopped || !(interrupted() || reader_gone())) continue;
      stopped = true;
      stop_.request_stop();
    }
    print_ready();
    if (bar_) bar_->finish();
    if (interrupted()) return kInterrupted;
    if (failed_ > 0) {
      throw Error(o_.jsonl, fmt::format("{} of {} requests failed", failed_, requests_.size()),
                  "Their lines say why, as \"error\".");
    }
    return kDone;
  }

 private:
  std::vector<TokenId> prompt_of(const Request& r) const {
    if (r.options.raw && r.messages.empty())
      return raw_prompt(*session_->tokenizer, r.options.prompt, o_.special_in_text).ids;
    Conversation talk = conversation(*session_, o_);
    if (!r.options.system.empty()) talk.say("system", r.options.system);
    for (const auto& [role, text] : r.messages) talk.say(role, text);
    if (r.messages.empty()) talk.say("user", r.options.prompt);
    return talk.prompt().ids;
  }

  void submit(BatchEngine& engine, size_t i) {
    const Request& r = requests_[i];
    BatchRequest request;
    request.options = plain_;
    request.options.decode = decode_spec(r.options, session_->files.generation);
    request.options.constrain = r.options.constrain;
    request.options.max_tokens = r.options.max_tokens;
    request.options.stop = r.options.stop;
    request.options.seed = r.options.seed;
    request.client = r.client;
    request.callbacks.stop = stop_.get_token();
    try {
      request.prompt = prompt_of(r);
    } catch (const Error& error) {
      throw error.within(wheres_[i]);
    }
    request.done = [this, i, kept = request.options](const Generation& g) {
      Json line;
      line["id"] = requests_[i].id;
      line.update(result_json(o_, kept, g));
      results_[i] = dump(line);
      if (g.best.finish == Finish::error) ++failed_;
      if (bar_) bar_->advance();
    };
    engine.submit(std::move(request));
  }

  // Results come in the order of the lines, whichever is ready first.
  void print_ready() {
    for (; printed_ < results_.size() && results_[printed_]; ++printed_) {
      put_now(*results_[printed_] + "\n");
      results_[printed_].emplace();
    }
  }

  void show_progress() {
    if (!is_terminal(STDERR_FILENO)) return;
    ProgressOptions shown;
    shown.label = "answering";
    shown.unit = "requests";
    shown.total = static_cast<int64_t>(requests_.size());
    shown.sink = descriptor_sink(STDERR_FILENO);
    bar_.emplace(shown);
  }

  const RunOptions& o_;
  int64_t lines_ = 0, failed_ = 0;
  std::vector<Request> requests_;
  std::vector<std::string> wheres_;
  std::optional<Session> session_;
  GenerateOptions plain_;
  std::stop_source stop_;
  std::vector<std::optional<std::string>> results_;
  size_t printed_ = 0;
  std::optional<Progress> bar_;
};

}  // namespace

int run_jsonl(const RunOptions& o) { return Batch(o).run(); }

}  // namespace tessera::cli
