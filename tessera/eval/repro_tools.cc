#include "tessera/eval/repro_tools.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/base/pool.h"
#include "tessera/decode/generate.h"
#include "tessera/eval/choice_score.h"
#include "tessera/files/model.h"
#include "tessera/network/policy.h"
#include "tessera/text/corpus.h"
#include "tessera/text/template.h"
#include "tessera/tokenizer/model_tokenizer.h"

namespace tessera {

ReproFigure share_figure(std::string name, std::string what, int64_t right, int64_t n) {
  const Interval i = wilson(right, n);
  const double share = n > 0 ? static_cast<double>(right) / static_cast<double>(n) : 0;
  return {std::move(name), std::move(what), 100 * share, 100 * i.low, 100 * i.high, n};
}

ReproFigure mean_figure(std::string name, std::string what, std::span<const double> values,
                        double factor) {
  double sum = 0;
  for (const double v : values) sum += v;
  const auto n = static_cast<int64_t>(values.size());
  const Interval i = bootstrap_mean(values, 1);
  const double mean = n > 0 ? sum / static_cast<double>(n) : 0;
  return {std::move(name), std::move(what), factor * mean, factor * i.low, factor * i.high, n};
}

std::string figure_text(const ReproFigure& f, std::string_view unit) {
  const int digits = unit == " %" ? 1 : 3;
  std::string out = fmt::format("{:.{}f}{} (", f.value, digits, unit);
  if (f.low != f.high) out += fmt::format("{:.{}f} to {:.{}f}, ", f.low, digits, f.high, digits);
  return out + fmt::format("n = {})", f.n);
}

ReproVerdict reaches(const ReproFigure& f, double bound) {
  if (f.low >= bound) return ReproVerdict::holds;
  return f.high < bound ? ReproVerdict::fails : ReproVerdict::open;
}

ReproVerdict stays_below(const ReproFigure& f, double bound) {
  if (f.high <= bound) return ReproVerdict::holds;
  return f.low > bound ? ReproVerdict::fails : ReproVerdict::open;
}

ReproVerdict is_above(const ReproFigure& a, const ReproFigure& b) {
  if (a.low > b.high) return ReproVerdict::holds;
  return a.high < b.low ? ReproVerdict::fails : ReproVerdict::open;
}

namespace {

ProgressOptions shown(const ReproRequest& request, std::string label, std::string unit,
                      int64_t total) {
  ProgressOptions out;
  out.label = std::move(label);
  out.unit = std::move(unit);
  out.total = total;
  out.sink = request.progress;
  return out;
}

}  // namespace

ReproProgress::ReproProgress(const ReproRequest& request, std::string label, std::string unit,
                             int64_t total)
    : stopped_(request.stopped), bar_(shown(request, std::move(label), std::move(unit), total)) {}

void ReproProgress::advance(int64_t count) {
  bar_.advance(count);
  if (stopped_ && stopped_()) throw ReproStopped{};
}

AskedModel::AskedModel(const ReproRequest& request) {
  Pool::instance().set_threads(request.threads);
  const ModelFiles files = open_model(request.model);
  path_ = files.path;
  chat_template_ = files.chat_template;
  bos_ = files.bos_token;
  eos_ = files.eos_token;
  tokenizer_ = tokenizer_of(files);
  model_ = std::make_unique<LanguageModel>(load_network(files), "full");
  for (const int64_t id : files.generation.stop_ids) stops_.push_back(static_cast<TokenId>(id));
  if (const auto eos = tokenizer_->eos()) stops_.push_back(*eos);
}

MarkedText AskedModel::rendered(const std::string& message) const {
  if (chat_template_.empty()) return MarkedText(message, true);
  Chat chat;
  chat.messages =
      Value::list({Value::map({{Value::string("role"), Value::string("user")},
                               {Value::string("content"), Value::string(message, true)}})});
  chat.bos_token = bos_;
  chat.eos_token = eos_;
  return render_chat(Template(chat_template_, path_ + ": chat template"), chat);
}

Encoding AskedModel::encoded(const MarkedText& text) const {
  std::vector<ByteSpan> content;
  for (const TextRange& r : text.content) {
    content.push_back({static_cast<int64_t>(r.begin), static_cast<int64_t>(r.end)});
  }
  EncodeOptions options;
  options.add_template = false;
  options.special_in_text = true;
  options.origin = TokenOrigin::template_text;
  options.content = content;
  return tokenizer_->encode(text.bytes, options);
}

std::vector<TokenId> AskedModel::prompt(const std::string& message) const {
  std::vector<TokenId> ids;
  // A template writes its own.
  if (const auto bos = tokenizer_->bos(); chat_template_.empty() && bos && tokenizer_->adds_bos()) {
    ids.push_back(*bos);
  }
  const auto text = encoded(rendered(message)).ids;
  ids.insert(ids.end(), text.begin(), text.end());
  return ids;
}

AskedModel::Frame AskedModel::frame(const std::string& question) const {
  // One letter stands for the text: a template may drop white space at a message's ends.
  constexpr size_t open = 1, between = 2;
  const std::string message = "X\n\n" + question;
  const MarkedText text = rendered(message);
  const size_t at = text.bytes.rfind(message);
  if (at == std::string::npos) {
    throw Error(path_, "its chat template changes what it is given", "Name another model.");
  }
  Frame out;
  if (const auto bos = tokenizer_->bos(); chat_template_.empty() && bos && tokenizer_->adds_bos()) {
    out.before.push_back(*bos);
  }
  const auto before = encoded(text.slice(0, at)).ids;
  out.before.insert(out.before.end(), before.begin(), before.end());
  const Encoding after = encoded(text.slice(at + open, text.bytes.size()));
  out.after = after.ids;
  const auto begin = static_cast<int64_t>(between);
  const int64_t end = begin + static_cast<int64_t>(question.size());
  for (const ByteSpan& span : after.spans) {
    if (span.end <= begin) ++out.question_begin;
    if (span.begin < end) ++out.question_end;
  }
  return out;
}

AskedModel::Answer AskedModel::answer(std::vector<TokenId> prompt, const std::string& policy,
                                      int64_t most_tokens) {
  GenerateOptions options;
  options.max_tokens = most_tokens;
  options.context = make_guest<ContextPolicy>(policy)->serves_any_length() ? -1 : 0;
  options.stop_ids = stops_;
  const Generation g = generate(*model_, tokenizer_, std::move(prompt), options, {},
                                model_->network().new_past(policy));
  if (g.best.finish == Finish::error) throw Error("answer", g.error);
  return {g.best.text, g.past->counters()};
}

std::string repro_text(const ReproRequest& request, int64_t least_bytes) {
  constexpr size_t kMostBytes = size_t{64} << 20;
  std::string text;
  for (const std::string& source : request.sources) {
    read_corpus(source, "text", [&](std::string_view part) {
      text += part.substr(0, kMostBytes - std::min(kMostBytes, text.size()));
      text += '\n';
    });
  }
  if (static_cast<int64_t>(text.size()) < least_bytes) {
    throw Error("the texts",
                fmt::format("have {} bytes of the {} that are needed", text.size(), least_bytes),
                "bench/texts.py en-us makes a text of LibreOffice's manual.");
  }
  return text;
}

std::vector<std::vector<TokenId>> repro_pieces(const ReproRequest& request,
                                               const Tokenizer& tokenizer, int64_t count,
                                               int64_t length) {
  const std::string text = repro_text(request, count * length);  // a token has a byte at least
  EncodeOptions plain;
  plain.add_template = false;
  const std::vector<TokenId> ids = tokenizer.encode(text, plain).ids;
  const auto have = static_cast<int64_t>(ids.size()) / length;
  if (have < count) {
    throw Error("the texts",
                fmt::format("have {} tokens of the {} that are needed", ids.size(), count * length),
                "bench/texts.py en-us makes a text of LibreOffice's manual.");
  }
  std::vector<std::vector<TokenId>> out;
  for (int64_t i = 0; i < count; ++i) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(i * have / count * length);
    out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(length));
  }
  return out;
}

}  // namespace tessera
