#include "tessera/tokenizer/best_choices.h"

#include <algorithm>
#include <queue>

#include <fmt/format.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

// A choice of the lists so far: one of those before, and an item.
struct Step {
  double sum;
  uint32_t before, item;
};

// The best pairs of two descending lists: each pair's neighbours come no earlier than itself.
std::vector<Step> best_pairs(const std::vector<Step>& before, const std::vector<double>& list,
                             size_t count) {
  const auto less = [](const Step& a, const Step& b) {
    if (a.sum != b.sum) return a.sum < b.sum;
    return a.before != b.before ? a.before > b.before : a.item > b.item;
  };
  std::priority_queue<Step, std::vector<Step>, decltype(less)> next(less);
  next.push({before[0].sum + list[0], 0, 0});
  std::vector<Step> out;
  while (!next.empty() && out.size() < count) {
    const Step best = next.top();
    next.pop();
    out.push_back(best);
    if (best.item + 1 < list.size()) {
      next.push({before[best.before].sum + list[best.item + 1], best.before, best.item + 1});
    }
    if (best.item == 0 && best.before + 1 < before.size()) {
      next.push({before[best.before + 1].sum + list[0], best.before + 1, 0});
    }
  }
  return out;
}

}  // namespace

std::vector<BestChoice> best_choices(std::span<const std::vector<double>> lists, size_t count) {
  if (count == 0) return {};
  constexpr size_t kMost = size_t{1} << 26;
  if (count > kMost / (lists.size() + 1)) {
    throw Error("",
                fmt::format("the {} best ways to cut a text of {} stretches are too many", count,
                            lists.size()),
                "Ask for fewer, or cut the text into lines.");
  }
  std::vector<std::vector<Step>> steps = {{Step{0, 0, 0}}};
  for (const std::vector<double>& list : lists) {
    steps.push_back(best_pairs(steps.back(), list, count));
  }
  std::vector<BestChoice> out(steps.back().size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].sum = steps.back()[i].sum;
    out[i].items.resize(lists.size());
    auto at = static_cast<uint32_t>(i);
    for (size_t list = lists.size(); list > 0; --list) {
      out[i].items[list - 1] = steps[list][at].item;
      at = steps[list][at].before;
    }
  }
  return out;
}

}  // namespace tessera
