// What measurements of claims share: figures with their intervals, verdicts that follow from them,
// and progress.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/progress.h"
#include "tessera/eval/repro.h"

namespace tessera {

// `right` of `n`, as a share in % with Wilson's interval.
ReproFigure share_figure(std::string name, std::string what, int64_t right, int64_t n);
// The mean of `values` times `factor`, with the bootstrap's interval.
ReproFigure mean_figure(std::string name, std::string what, std::span<const double> values,
                        double factor = 1);
// "99.6 % (98.5 to 99.9, n = 512)"; without an interval "0.059 (n = 16)".
std::string figure_text(const ReproFigure& figure, std::string_view unit = " %");

// Whether the figure reaches the bound: open where its interval holds the bound.
ReproVerdict reaches(const ReproFigure& figure, double bound);
ReproVerdict stays_below(const ReproFigure& figure, double bound);
// Whether `a` is greater: open where their intervals overlap.
ReproVerdict is_above(const ReproFigure& a, const ReproFigure& b);

// Work of known length that shows how far it is, and stops when nobody waits for it.
class ReproProgress {
 public:
  ReproProgress(const ReproRequest& request, std::string label, std::string unit, int64_t total);
  // Throws ReproStopped.
  void advance(int64_t count = 1);

 private:
  std::function<bool()> stopped_;
  Progress bar_;
};

}  // namespace tessera
