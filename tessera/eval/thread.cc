#include "tessera/eval/thread.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/base/random.h"

namespace tessera {
namespace {

// Apart from the streams of other tasks of the same seed.
constexpr uint64_t kStream = uint64_t{1} << 40;

std::string unit_of(Random& random, NeedleUnit unit) {
  if (unit == NeedleUnit::hex8) {
    std::string out;
    for (int i = 0; i < 8; ++i) out += "0123456789abcdef"[random.below(16)];
    return out;
  }
  const uint64_t least = unit == NeedleUnit::digits5 ? 10'000 : 1'000'000;
  return std::to_string(least + random.below(9 * least));
}

// `count` different numbers below n, in random order.
std::vector<int64_t> places_of(Random& random, int64_t n, int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(n));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    std::swap(all[i], all[i + random.below(all.size() - i)]);
  }
  all.resize(static_cast<size_t>(count));
  return all;
}

std::string question_of(int64_t steps, const std::string& key) {
  if (steps == 1) {
    return "What is the value of the key \"" + key +
           "\" in the JSON object above? Answer with the value only.";
  }
  return "In the JSON object above, start at the key \"" + key +
         "\". Its value is the next key, and so on. What is the value after " +
         std::to_string(steps) + " steps? Answer with the value only.";
}

// The quoted strings of a text, in order.
std::vector<std::string> quoted(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = text.find('"'); at != std::string_view::npos; at = text.find('"', at + 1)) {
    const size_t end = text.find('"', at + 1);
    if (end == std::string_view::npos) break;
    out.emplace_back(text.substr(at + 1, end - at - 1));
    at = end;
  }
  return out;
}

}  // namespace

NeedleItem make_thread(const ThreadOptions& options, double depth, uint64_t index, int64_t room,
                       const std::function<int64_t(const std::string&)>& length) {
  NeedleItem item;
  item.depth = depth;
  // The same for every n that is tried, and the best n is the last one that is built.
  auto build = [&](int64_t n) {
    Random random(options.seed, kStream + index);
    std::vector<std::string> names;
    std::set<std::string> used;
    while (static_cast<int64_t>(names.size()) < 2 * n) {
      std::string name = unit_of(random, options.unit);
      if (used.insert(name).second) names.push_back(std::move(name));
    }
    std::vector<int64_t> places = places_of(random, n, options.steps);
    if (options.steps == 1) {
      places[0] = static_cast<int64_t>(depth * static_cast<double>(n - 1));
    } else if (options.direction != ThreadDirection::random) {
      std::sort(places.begin(), places.end());
      if (options.direction == ThreadDirection::backward)
        std::reverse(places.begin(), places.end());
    }
    auto key = [&](int64_t i) -> std::string& { return names[static_cast<size_t>(2 * i)]; };
    auto value = [&](int64_t i) -> std::string& { return names[static_cast<size_t>(2 * i + 1)]; };
    for (size_t i = 0; i + 1 < places.size(); ++i) value(places[i]) = key(places[i + 1]);
    item.text = "{";
    for (int64_t i = 0; i < n; ++i) {
      if (i > 0) item.text += ", ";
      item.text.append("\"").append(key(i)).append("\": \"").append(value(i)).append("\"");
    }
    item.text += "}";
    item.question = question_of(options.steps, key(places[0]));
    item.answer = value(places.back());
  };
  auto fits = [&](int64_t n) {
    build(n);
    return length(item.prompt()) <= room;
  };
  if (!fits(options.steps)) {
    const int64_t least = length(item.prompt());
    throw Error("length " + std::to_string(room),
                "is too short for a thread of " + std::to_string(options.steps) +
                    " pairs and the question: they take " + std::to_string(least) + " tokens",
                "Give at least " + std::to_string(least) + ".");
  }
  int64_t low = options.steps, high = 2 * low;
  // Five digits name fewer pairs than a long text could hold.
  constexpr int64_t kMost = 20'000;
  while (high < kMost && fits(high)) {
    low = high;
    high *= 2;
  }
  high = std::min(high, kMost);
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  build(low);
  return item;
}

std::string solve_thread(std::string_view prompt) {
  const size_t end = prompt.rfind('}');
  if (end == std::string_view::npos) return "";
  std::map<std::string, std::string> pairs;
  const auto names = quoted(prompt.substr(0, end));
  for (size_t i = 0; i + 1 < names.size(); i += 2) pairs.emplace(names[i], names[i + 1]);
  const auto asked = quoted(prompt.substr(end));
  if (asked.empty()) return "";
  std::string at = asked[0];
  // A thread visits no pair twice.
  for (size_t i = 0; i < pairs.size() && pairs.contains(at); ++i) at = pairs[at];
  return at == asked[0] ? "" : at;
}

}  // namespace tessera
