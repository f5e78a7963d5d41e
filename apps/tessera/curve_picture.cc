#include "apps/tessera/curve_picture.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "apps/tessera/markup.h"

namespace tessera::cli {
namespace {

constexpr double kWidth = 560, kHeight = 300, kLeft = 60, kTop = 40, kKey = 240, kGap = 70;

// Colours that differ in light as well as in hue, so that they are told apart without colours.
std::string colour(size_t i) {
  return fmt::format("hsl({},70%,{}%)", i * 137 % 360, 30 + i % 3 * 14);
}

std::string text_at(double x, double y, const char* anchor, const std::string& what) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     escaped(what));
}

struct Scale {
  double low = 0, high = 1;
  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  double share(double value) const { return high > low ? (value - low) / (high - low) : 0.5; }
};

std::string panel(const std::string& chart, const std::vector<const ReproCurve*>& curves,
                  double top) {
  Scale x{INFINITY, -INFINITY}, y{INFINITY, -INFINITY};
  for (const ReproCurve* curve : curves) {
    for (const auto& [at, value] : curve->points) {
      x.take(std::log2(at));
      y.take(value);
    }
  }
  const auto across = [&](double at) { return kLeft + kWidth * x.share(std::log2(at)); };
  const auto down = [&](double value) { return top + kHeight * (1 - y.share(value)); };
  std::string out = fmt::format(
      "<text x=\"{}\" y=\"{:.1f}\" font-size=\"15\">{}</text>\n"
      "<rect x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#999\"/>\n",
      kLeft, top - 14, escaped(chart), kLeft, top, kWidth, kHeight);
  const auto last = static_cast<int>(std::floor(x.high));
  for (int power = static_cast<int>(std::ceil(x.low)); power <= last;
       power += x.high - x.low > 8 ? 2 : 1) {
    out += text_at(across(std::exp2(power)), top + kHeight + 16, "middle",
                   fmt::format("{:.0f}", std::exp2(power)));
  }
  for (int i = 0; i <= 4; ++i) {
    const double value = y.low + (y.high - y.low) * i / 4;
    out += text_at(kLeft - 6, down(value) + 4, "end", fmt::format("{:.3f}", value));
  }
  for (size_t i = 0; i < curves.size(); ++i) {
    std::string line;
    for (const auto& [at, value] : curves[i]->points) {
      line += fmt::format("{:.1f},{:.1f} ", across(at), down(value));
    }
    out +=
        fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}/>\n",
                    line, colour(i), i % 2 == 1 ? " stroke-dasharray=\"6 3\"" : "");
    for (const auto& [at, value] : curves[i]->points) {
      out += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"><title>{}: {:.4g} at "
          "{:.4g}</title></circle>\n",
          across(at), down(value), colour(i), escaped(curves[i]->name), value, at);
    }
    const double row = top + 12 + 18 * static_cast<double>(i);
    out += fmt::format(
        "<line x1=\"{0}\" y1=\"{2:.1f}\" x2=\"{1}\" y2=\"{2:.1f}\" stroke=\"{3}\" "
        "stroke-width=\"2\"/>\n",
        kLeft + kWidth + 12, kLeft + kWidth + 36, row - 4, colour(i));
    out += text_at(kLeft + kWidth + 42, row, "start", curves[i]->name);
  }
  return out;
}

}  // namespace

std::string curve_picture(const std::vector<ReproCurve>& curves) {
  std::vector<std::string> charts;
  for (const ReproCurve& curve : curves) {
    if (std::find(charts.begin(), charts.end(), curve.chart) == charts.end()) {
      charts.push_back(curve.chart);
    }
  }
  const double height = kTop + (kHeight + kGap) * static_cast<double>(charts.size());
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0f}\" height=\"{:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kLeft + kWidth + kKey, height);
  double top = kTop;
  for (const std::string& chart : charts) {
    std::vector<const ReproCurve*> of_chart;
    for (const ReproCurve& curve : curves) {
      if (curve.chart == chart) of_chart.push_back(&curve);
    }
    out += panel(chart, of_chart, top);
    top += kHeight + kGap;
  }
  return out + "</svg>\n";
}

}  // namespace tessera::cli
