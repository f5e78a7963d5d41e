#include "tessera/eval/repro_tools.h"

#include <utility>

#include <fmt/format.h>

#include "tessera/eval/choice_score.h"

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

}  // namespace tessera
