#include "apps/tessera/heat_map.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "apps/tessera/markup.h"

namespace tessera::cli {
namespace {

constexpr int kWidth = 64, kHeight = 26, kLeft = 60, kTop = 50, kGap = 64;

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

// The document's beginning.
std::string opening(int width, int height, const std::string& title) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"10\" y=\"20\" font-size=\"15\">{}</text>\n",
      width, height, escaped(title));
}

std::string label(int x, int y, const char* anchor, const std::string& what) {
  return fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     escaped(what));
}

}  // namespace

std::string head_map(const std::string& title, const std::vector<HeadPanel>& panels) {
  constexpr int kCell = 14;
  int width = 20, height = 0;
  std::string body;
  for (const HeadPanel& p : panels) {
    const int left = width + 40;
    const int heads = static_cast<int>(p.heads), layers = static_cast<int>(p.layers);
    body += label(left, kTop - 8, "start", p.name);
    for (int layer = 0; layer < layers; ++layer) {
      const int y = kTop + layer * kCell;
      body += label(left - 6, y + 11, "end", std::to_string(layer));
      for (int head = 0; head < heads; ++head) {
        const double share = p.shares[static_cast<size_t>(layer) * static_cast<size_t>(heads) +
                                      static_cast<size_t>(head)];
        body += fmt::format(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"hsl(215,70%,{:.0f}%)\" "
            "stroke=\"white\"><title>layer {}, head {}: {:.3f}</title></rect>\n",
            left + head * kCell, y, kCell, kCell, 96 - 66 * std::clamp(share, 0.0, 1.0), layer,
            head, share);
      }
    }
    width = left + std::max(heads * kCell, 150);
    height = std::max(height, layers * kCell);
  }
  return opening(std::max(width + 20, 420), kTop + height + 20, title) + body + "</svg>\n";
}

std::string heat_map(const std::string& title, const std::vector<HeatCell>& cells) {
  const auto policies = values<std::string>(cells, [](const HeatCell& c) { return c.policy; });
  const auto lengths = values<int64_t>(cells, [](const HeatCell& c) { return c.length; });
  std::vector<std::string> rows;
  for (const HeatCell& c : cells) {
    if (std::find(rows.begin(), rows.end(), c.row) == rows.end()) rows.push_back(c.row);
  }
  size_t longest = 0;
  for (const std::string& row : rows) longest = std::max(longest, row.size());
  const int left = std::max(kLeft, 12 + 7 * static_cast<int>(longest));
  const int panel = static_cast<int>(rows.size()) * kHeight + kGap;
  const int width = std::max(420, left + static_cast<int>(lengths.size()) * kWidth + 20);
  const int height = kTop + static_cast<int>(policies.size()) * panel;
  std::string out = opening(width, height, title + ": found of asked, tokens across");
  auto text = [&](int x, int y, const char* anchor, const std::string& what) {
    out += label(x, y, anchor, what);
  };
  for (size_t p = 0; p < policies.size(); ++p) {
    const int top = kTop + static_cast<int>(p) * panel;
    text(10, top - 6, "start", policies[p]);
    for (size_t d = 0; d < rows.size(); ++d) {
      text(left - 6, top + static_cast<int>(d) * kHeight + 17, "end", rows[d]);
    }
    for (size_t l = 0; l < lengths.size(); ++l) {
      text(left + static_cast<int>(l) * kWidth + kWidth / 2,
           top + static_cast<int>(rows.size()) * kHeight + 15, "middle",
           std::to_string(lengths[l]));
    }
  }
  for (const HeatCell& c : cells) {
    const int x = left + place(lengths, c.length) * kWidth;
    const int y = kTop + place(policies, c.policy) * panel + place(rows, c.row) * kHeight;
    const double share = c.n > 0 ? c.right / static_cast<double>(c.n) : 0;
    out += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" stroke=\"white\"/>\n", x, y,
        kWidth, kHeight, colour(share));
    text(x + kWidth / 2, y + 17, "middle", fmt::format("{:.4g}/{}", c.right, c.n));
  }
  return out + "</svg>\n";
}

}  // namespace tessera::cli
