#include "apps/tessera/read_document.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "apps/tessera/human.h"
#include "apps/tessera/spec_flags.h"
#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/base/progress.h"
#include "tessera/text/corpus.h"
#include "tessera/use/reader.h"

namespace tessera::cli {
namespace {

// Tokens that are left for the answer where --max-tokens does not say.
constexpr int64_t kAnswer = 128;
// Pages of a mapped file are given back once so many bytes were read.
constexpr int64_t kDropped = 1 << 20;

// A plain file is mapped; packed files, pipes and devices are held in memory.
class Document {
 public:
  explicit Document(const std::string& path) {
    if (path != "-" && std::filesystem::is_regular_file(path)) {
      file_ = MappedFile(path);
      const std::string_view text = file_.text();
      packed_ = text.starts_with("\x1f\x8b") || text.starts_with("\x28\xb5\x2f\xfd");
      if (!packed_) return;
    }
    held_ = read_text(path);
    packed_ = true;
  }
  std::string_view text() const { return packed_ ? std::string_view(held_) : file_.text(); }
  // Nothing before `byte` is needed soon.
  void passed(int64_t byte) {
    if (packed_) return;
    if (byte < dropped_) dropped_ = 0;  // from the beginning again
    if (byte - dropped_ < kDropped && byte < static_cast<int64_t>(text().size())) return;
    file_.drop(
        file_.bytes().subspan(static_cast<size_t>(dropped_), static_cast<size_t>(byte - dropped_)));
    dropped_ = byte;
  }

 private:
  MappedFile file_;
  std::string held_;
  bool packed_ = false;
  int64_t dropped_ = 0;
};

std::string canonical_read(const std::string& text) {
  const Spec spec = Spec::parse(text);
  return find_guest<Reader>(spec).canonical(spec);
}

Json report_of(const RunOptions& o, const ReadResult& r, std::string_view document) {
  Json out;
  out["method"] = canonical_read(o.read);
  out["document_bytes"] = document.size();
  out["document_tokens"] = r.tokens;
  out["sentences"] = r.sentences;
  out["whole"] = r.whole;
  out["kept_tokens"] = r.kept_tokens;
  out["kept_share"] =
      r.tokens > 0 ? static_cast<double>(r.kept_tokens) / static_cast<double>(r.tokens) : 0.0;
  out["passes"] = r.network_passes;
  out["longest_pass"] = r.longest_pass;
  out["most_held"] = r.most_held;
  out["kept"] = Json::array();
  for (const Passage& p : r.kept) {
    out["kept"].push_back({{"begin", p.begin},
                           {"end", p.end},
                           {"tokens", p.tokens()},
                           {"score", std::isfinite(p.score) ? Json(p.score) : Json(nullptr)},
                           {"text", document.substr(static_cast<size_t>(p.begin),
                                                    static_cast<size_t>(p.end - p.begin))}});
  }
  return out;
}

}  // namespace

void check_read_flags(const RunOptions& o) {
  check_method<Reader>("--read", o.read);
  if (!o.file.empty() && o.cache.empty() && o.jsonl.empty()) return;
  if (o.file.empty()) {
    throw WrongCommand("--read " + o.read, "there is no document to read", "Name one with --file.");
  }
  throw WrongCommand("--file " + o.file, "does not go with --cache and --jsonl",
                     "Ask one question, without them.");
}

std::optional<ReadDocument> read_document(const RunOptions& o, Session& session,
                                          const std::string& question) {
  Document document(o.file);
  ChatFrame frame;
  if (o.raw) {
    frame = raw_frame(*session.tokenizer, question, o.special_in_text);
  } else {
    Conversation talk = conversation(session, o);
    if (!o.system.empty()) talk.say("system", o.system);
    frame = talk.frame(question);
  }
  ReadTask task;
  task.document = document.text();
  task.name = o.file;
  task.question = question;
  task.encode = [&](std::string_view text) {
    EncodeOptions options;
    options.add_template = false;
    options.special_in_text = o.special_in_text;
    return session.tokenizer->encode(text, options).ids;
  };
  task.before = frame.before_ids;
  task.after = frame.after_ids;
  task.question_begin = frame.question_begin;
  task.question_end = frame.question_end;
  task.network = &session.model->network();
  const int64_t answer = o.max_tokens > 0 ? o.max_tokens : kAnswer;
  task.room = session.model->context() - answer;
  task.window = std::min(task.room, task.network->description().context - answer);

  interrupted();  // installs the handler
  task.stopped = [] { return interrupted() || reader_gone(); };
  const auto reader = make_guest<Reader>(o.read);
  ProgressOptions shown;
  shown.label = "reading";
  shown.unit = "bytes";
  shown.total = static_cast<int64_t>(task.document.size()) * reader->passes();
  if (is_terminal(STDERR_FILENO)) shown.sink = descriptor_sink(STDERR_FILENO);
  std::optional<Progress> bar(std::in_place, shown);
  int64_t last = 0;
  task.passed = [&](int64_t byte) {
    if (byte > last) bar->advance(byte - last);
    last = byte;
    document.passed(byte);
  };
  const ReadResult result = reader->read(task);
  bar.reset();
  if (task.stopped()) return std::nullopt;

  ReadDocument out;
  out.prompt.text = frame.before;
  out.prompt.ids = frame.before_ids;
  for (const Passage& p : result.kept) {
    out.prompt.text +=
        task.document.substr(static_cast<size_t>(p.begin), static_cast<size_t>(p.end - p.begin));
    out.prompt.ids.insert(out.prompt.ids.end(), p.ids.begin(), p.ids.end());
  }
  out.prompt.text += frame.after;
  out.prompt.ids.insert(out.prompt.ids.end(), frame.after_ids.begin(), frame.after_ids.end());
  out.report = report_of(o, result, task.document);
  if (is_terminal(STDERR_FILENO)) {
    tell(
        result.whole
            ? fmt::format("tessera run: read the whole document, {} tokens", grouped(result.tokens))
            : fmt::format("tessera run: kept {} of {} tokens ({:.2g} %) in {} passages",
                          grouped(result.kept_tokens), grouped(result.tokens),
                          100 * out.report["kept_share"].get<double>(), result.kept.size()));
  }
  return out;
}

}  // namespace tessera::cli
