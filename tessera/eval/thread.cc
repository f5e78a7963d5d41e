#include "tessera/eval/thread.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/random.h"
#include "tessera/eval/python_random.h"

namespace tessera {
namespace {

// Apart from the streams of other tasks of the same seed.
constexpr uint64_t kThreadStream = uint64_t{1} << 40;

// Keys and values in the order in which they are drawn.
class Names {
 public:
  Names(const ThreadOptions& o, Random& random, uint64_t index)
      : unit_(o.unit), random_(random), python_(o.seed + index), as_python_(o.as_python) {}
  std::string next() { return as_python_ ? python_.uuid() : random_value(random_, unit_); }

 private:
  NeedleUnit unit_;
  Random& random_;
  PythonRandom python_;
  bool as_python_;
};

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

std::string question_of(const ThreadOptions& o, const std::vector<std::string>& keys) {
  constexpr std::string_view list = " and nothing else.";
  if (o.marked) {
    return fmt::format(
        "What are the values of all keys in the JSON object above that contain the character "
        "\"{}\"? Answer with a JSON list of these values{}",
        kKeyMark, list);
  }
  if (o.count == 1 && o.steps == 1) {
    return fmt::format(
        "What is the value of the key \"{}\" in the JSON object above? Answer with the value "
        "only.",
        keys[0]);
  }
  if (o.branches > 1) {
    return fmt::format(
        "In the JSON object above, keys stand in several pairs. Start at the key \"{}\"; a value "
        "may be the next key, and so on. Only one way takes {} steps, all others are shorter. "
        "What is the value at its end? Answer with the value only.",
        keys[0], o.steps);
  }
  if (o.count == 1) {
    return fmt::format(
        "In the JSON object above, start at the key \"{}\". Its value is the next key, and so "
        "on. What is the value after {} steps? Answer with the value only.",
        keys[0], o.steps);
  }
  std::string names;
  for (const std::string& key : keys) {
    names.append(names.empty() ? "\"" : ", \"").append(key).append("\"");
  }
  const std::string order =
      fmt::format(" Answer with a JSON list of the values, in the order of these keys,{}", list);
  if (o.steps == 1) {
    return fmt::format("What are the values of the keys {} in the JSON object above?{}", names,
                       order);
  }
  return fmt::format(
      "In the JSON object above, start at each of the keys {}. The value of a key is the next "
      "key, and so on. What are the values after {} steps from each?{}",
      names, o.steps, order);
}

std::string joined(const std::vector<std::string>& values) {
  std::string out;
  for (const std::string& v : values) out.append(out.empty() ? "" : ", ").append(v);
  return out;
}

// Where the pairs of all threads stand, one thread behind the other, and behind them the pairs that
// lead away from one.
std::vector<int64_t> places_for(Random& random, const ThreadOptions& o, double depth, int64_t n) {
  if (o.steps == 1 && !o.list()) {
    places_of(random, n, 1);
    return {static_cast<int64_t>(depth * static_cast<double>(n - 1))};
  }
  if (o.steps == 1 && o.clustered) {
    const auto first = static_cast<int64_t>(random.below(static_cast<uint64_t>(n - o.count + 1)));
    std::vector<int64_t> places(static_cast<size_t>(o.count));
    std::iota(places.begin(), places.end(), first);
    return places;
  }
  std::vector<int64_t> places = places_of(random, n, o.pairs());
  if (o.direction == ThreadDirection::random || o.steps == 1) return places;
  const auto ends = places.begin() + o.count * o.steps;
  for (auto begin = places.begin(); begin != ends; begin += o.steps) {
    std::sort(begin, begin + o.steps);
    if (o.direction == ThreadDirection::backward) std::reverse(begin, begin + o.steps);
  }
  return places;
}

// Follows the longest way from a key; every key is followed once.
class LongestWay {
 public:
  explicit LongestWay(const std::vector<std::string>& names) {
    for (size_t i = 0; i + 1 < names.size(); i += 2) values_.emplace(names[i], names[i + 1]);
  }

  // Where it ends; the key itself where nothing leads on, or in a circle.
  std::string from(const std::string& key) {
    // Depth first, with a stack of its own: a text decides how deep it goes.
    std::vector<std::string> open = {key};
    while (!open.empty()) {
      const std::string at = open.back();
      const auto [mine, fresh] = ways_.try_emplace(at, Way{0, at});
      const auto [begin, end] = values_.equal_range(at);
      if (fresh) {
        for (auto v = begin; v != end; ++v) {
          if (!ways_.contains(v->second)) open.push_back(v->second);
        }
        if (open.back() != at) continue;
      }
      for (auto v = begin; v != end; ++v) {
        const auto next = ways_.find(v->second);
        if (next != ways_.end() && next->second.steps + 1 > mine->second.steps) {
          mine->second = {next->second.steps + 1, next->second.end};
        }
      }
      open.pop_back();
    }
    return ways_.at(key).end;
  }

 private:
  struct Way {
    int64_t steps = 0;
    std::string end;
  };
  std::multimap<std::string, std::string> values_;
  std::map<std::string, Way> ways_;
};

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
    Random random(options.seed, kThreadStream + index);
    Names drawn(options, random, index);
    std::vector<std::string> names;
    std::set<std::string> used;
    while (static_cast<int64_t>(names.size()) < 2 * n) {
      std::string name = drawn.next();
      if (used.insert(name).second) names.push_back(std::move(name));
    }
    std::vector<int64_t> places = places_for(random, options, depth, n);
    auto key = [&](int64_t i) -> std::string& { return names[static_cast<size_t>(2 * i)]; };
    auto value = [&](int64_t i) -> std::string& { return names[static_cast<size_t>(2 * i + 1)]; };
    if (options.marked) {
      std::sort(places.begin(), places.end());
      for (const int64_t place : places) {
        // Another place of the mark where two keys would become one.
        std::string marked;
        do {
          marked = key(place);
          marked[random.below(marked.size())] = kKeyMark;
        } while (!used.insert(marked).second);
        key(place) = marked;
      }
    }
    std::vector<std::string> starts;
    item.answers.clear();
    const auto steps = static_cast<size_t>(options.steps);
    const auto on_threads = static_cast<size_t>(options.count) * steps;
    // Values that lead away stay as they are.
    for (size_t i = on_threads; i < places.size(); ++i) {
      key(places[i]) = key(places[(i - on_threads) / static_cast<size_t>(options.branches - 1)]);
    }
    for (size_t t = 0; t < on_threads; t += steps) {
      for (size_t i = t; i + 1 < t + steps; ++i) value(places[i]) = key(places[i + 1]);
      starts.push_back(key(places[t]));
      item.answers.push_back(value(places[t + steps - 1]));
    }
    item.text = "{";
    for (int64_t i = 0; i < n; ++i) {
      if (i > 0) item.text += ", ";
      item.text.append("\"").append(key(i)).append("\": \"").append(value(i)).append("\"");
    }
    item.text += "}";
    item.question = question_of(options, starts);
    item.answer = joined(item.answers);
    if (!options.list()) item.answers.clear();
  };
  auto fits = [&](int64_t n) {
    build(n);
    return length(item.prompt()) <= room;
  };
  const int64_t pairs = options.pairs();
  if (!fits(pairs)) {
    const int64_t least = length(item.prompt());
    throw Error(fmt::format("length {}", room),
                fmt::format("is too short for {} pairs and the question: they take {} tokens",
                            pairs, least),
                fmt::format("Give at least {}.", least));
  }
  // Five digits name fewer pairs than a long text could hold.
  constexpr int64_t kMost = 20'000;
  build(largest_that_fits(pairs, kMost - 1, fits));
  return item;
}

std::vector<std::string> solve_threads(std::string_view prompt) {
  const size_t end = prompt.rfind('}');
  if (end == std::string_view::npos) return {};
  const auto names = quoted(prompt.substr(0, end));
  const auto asked = quoted(prompt.substr(end));
  std::vector<std::string> out;
  const bool marked = asked.size() == 1 && asked[0] == std::string(1, kKeyMark);
  for (size_t i = 0; i + 1 < names.size(); i += 2) {
    if (marked && names[i].find(kKeyMark) != std::string::npos) out.push_back(names[i + 1]);
  }
  if (marked) return out;
  LongestWay ways(names);
  for (const std::string& start : asked) {
    out.push_back(ways.from(start));
    if (out.back() == start) return {};
  }
  return out;
}

std::string solve_thread(std::string_view prompt) { return joined(solve_threads(prompt)); }

ListScore score_list(std::string_view output, const std::vector<std::string>& wanted,
                     bool in_order) {
  std::vector<std::string> given;
  const size_t open = output.find('[');
  if (open != std::string_view::npos) {
    given = quoted(output.substr(open, output.find(']', open) - open));
  }
  if (given.empty() && !wanted.empty()) {
    const bool dashes = wanted[0].find('-') != std::string::npos;
    auto part_of = [&](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || (dashes && c == '-');
    };
    auto of_unit = [&](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (dashes && c == '-');
    };
    for (size_t at = 0; at < output.size();) {
      size_t end = at;
      while (end < output.size() && part_of(output[end])) ++end;
      const std::string_view word = output.substr(at, end - at);
      if (word.size() == wanted[0].size() && std::ranges::all_of(word, of_unit)) {
        given.emplace_back(word);
      }
      at = std::max(end, at + 1);
    }
  }
  ListScore out;
  if (given.empty() || wanted.empty()) return out;
  out.parsed = true;
  const std::set<std::string> distinct(given.begin(), given.end());
  const std::set<std::string> all(wanted.begin(), wanted.end());
  double there = 0, right = 0;
  for (const std::string& v : distinct) there += all.contains(v) ? 1 : 0;
  for (size_t i = 0; in_order && i < std::min(given.size(), wanted.size()); ++i) {
    right += given[i] == wanted[i] ? 1 : 0;
  }
  out.share = (in_order ? right : there) / static_cast<double>(wanted.size());
  out.precision = there / static_cast<double>(distinct.size());
  return out;
}

}  // namespace tessera
