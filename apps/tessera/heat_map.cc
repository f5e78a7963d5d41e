#include "apps/tessera/heat_map.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace tessera::cli {
namespace {

constexpr int kWidth = 64, kHeight = 26, kLeft = 60, kTop = 50, kGap = 64;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

// Red for none, yellow for half, green for all.
std::string colour(double share) { return fmt::format("hsl({:.0f},65%,62%)", 120 * share); }

template <class T, class Get>
std::vector<T> values(const std::vector<HeatCell>& cells, Get get) {
  std::set<T> all;
  for (const HeatCell& c : cells) all.insert(get(c));
  return {all.begin(), all.end()};
}

template <class T>
int place(const std::vector<T>& in, const T& value) {
  return static_cast<int>(std::find(in.begin(), in.end(), value) - in.begin());
}

}  // namespace

std::string heat_map(const std::string& title, const std::vector<HeatCell>& cells) {
  const auto policies = values<std::string>(cells, [](const HeatCell& c) { return c.policy; });
  const auto lengths = values<int64_t>(cells, [](const HeatCell& c) { return c.length; });
  const auto depths = values<double>(cells, [](const HeatCell& c) { return c.depth; });
  const int panel = static_cast<int>(depths.size()) * kHeight + kGap;
  const int width = std::max(420, kLeft + static_cast<int>(lengths.size()) * kWidth + 20);
  const int height = kTop + static_cast<int>(policies.size()) * panel;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"10\" y=\"20\" font-size=\"15\">{}: found of asked, by depth (down) and tokens "
      "(across)</text>\n",
      width, height, escaped(title));
  auto text = [&](int x, int y, const char* anchor, const std::string& what) {
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                       escaped(what));
  };
  for (size_t p = 0; p < policies.size(); ++p) {
    const int top = kTop + static_cast<int>(p) * panel;
    text(10, top - 6, "start", policies[p]);
    for (size_t d = 0; d < depths.size(); ++d) {
      text(kLeft - 6, top + static_cast<int>(d) * kHeight + 17, "end",
           fmt::format("{:.0f} %", 100 * depths[d]));
    }
    for (size_t l = 0; l < lengths.size(); ++l) {
      text(kLeft + static_cast<int>(l) * kWidth + kWidth / 2,
           top + static_cast<int>(depths.size()) * kHeight + 15, "middle",
           std::to_string(lengths[l]));
    }
  }
  for (const HeatCell& c : cells) {
    const int x = kLeft + place(lengths, c.length) * kWidth;
    const int y = kTop + place(policies, c.policy) * panel + place(depths, c.depth) * kHeight;
    const double share = c.n > 0 ? static_cast<double>(c.right) / static_cast<double>(c.n) : 0;
    out += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" stroke=\"white\"/>\n", x, y,
        kWidth, kHeight, colour(share));
    text(x + kWidth / 2, y + 17, "middle", fmt::format("{}/{}", c.right, c.n));
  }
  return out + "</svg>\n";
}

}  // namespace tessera::cli
