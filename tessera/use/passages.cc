#include "tessera/use/passages.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

constexpr int64_t kAnyLength = std::numeric_limits<int64_t>::max();

bool stopped(const ReadTask& task) { return task.stopped && task.stopped(); }

int64_t around(const ReadTask& task) {
  return static_cast<int64_t>(task.before.size() + task.after.size());
}

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

}  // namespace

PassageSource::PassageSource(const ReadTask& task, int64_t longest, ReadResult& result)
    : task_(task), longest_(longest), result_(result), sentences_(task.document) {
  result_.sentences = result_.tokens = 0;
}

bool PassageSource::next(Passage& out) {
  if (stopped(task_)) return false;
  if (parts_.empty()) {
    SentenceCutter::Sentence s;
    if (!sentences_.next(s)) {
      if (task_.passed) task_.passed(static_cast<int64_t>(task_.document.size()));
      return false;
    }
    if (task_.passed) task_.passed(static_cast<int64_t>(s.begin));
    parts_.push_back({s.begin, s.end});
    ++result_.sentences;
  }
  for (;;) {
    const Part part = parts_.back();
    parts_.pop_back();
    const std::string_view text = task_.document.substr(part.begin, part.end - part.begin);
    out.ids = task_.encode(text);
    const size_t cut = out.tokens() > longest_ ? cut_before(text, (text.size() + 1) / 2) : 0;
    if (cut == 0 || cut >= text.size()) {
      out.begin = static_cast<int64_t>(part.begin);
      out.end = static_cast<int64_t>(part.end);
      out.score = 0;
      result_.tokens += out.tokens();
      return true;
    }
    parts_.push_back({part.begin + cut, part.end});
    parts_.push_back({part.begin, part.begin + cut});
  }
}

void BestPassages::add(Passage p) {
  const Worse worse;
  if (left_out_ && worse(p, *left_out_)) return;
  tokens_ += p.tokens();
  held_.insert(std::move(p));
  while (tokens_ > budget_) {
    left_out_ = std::move(held_.extract(held_.begin()).value());
    tokens_ -= left_out_->tokens();
  }
}

std::vector<Passage> BestPassages::take() {
  std::vector<Passage> out;
  out.reserve(held_.size());
  while (!held_.empty()) out.push_back(std::move(held_.extract(held_.begin()).value()));
  tokens_ = 0;
  std::sort(out.begin(), out.end(),
            [](const Passage& a, const Passage& b) { return a.begin < b.begin; });
  return out;
}

void need_something_to_read(const ReadTask& task) {
  if (blank(task.question)) throw Error("question", "is empty", "Say what is asked.");
  if (blank(task.document.substr(0, 1 << 20)) && blank(task.document)) {
    throw Error(task.name, "is empty", "Name a file that holds a text.");
  }
}

std::optional<ReadResult> read_whole(const ReadTask& task, int64_t room) {
  ReadResult out;
  std::vector<Passage> kept;
  PassageSource source(task, kAnyLength, out);
  for (Passage p; source.next(p);) {
    kept.push_back(std::move(p));
    if (out.tokens + around(task) > room) return std::nullopt;
  }
  out.whole = true;
  out.most_held = out.tokens;
  keep(out, std::move(kept));
  return out;
}

std::optional<ReadResult> begin_reading(const ReadTask& task, const ReadLimits& limits) {
  need_something_to_read(task);
  if (around(task) + limits.budget > task.room) {
    throw Error(fmt::format("budget={}", limits.budget),
                fmt::format("with {} tokens of prompt around it takes {}, and there is room for {}",
                            around(task), around(task) + limits.budget, task.room),
                "Lower budget or --max-tokens.");
  }
  return limits.always ? std::nullopt : read_whole(task, task.window);
}

void keep(ReadResult& result, std::vector<Passage> kept) {
  result.kept = std::move(kept);
  result.kept_tokens = 0;
  for (const Passage& p : result.kept) result.kept_tokens += p.tokens();
}

}  // namespace tessera
