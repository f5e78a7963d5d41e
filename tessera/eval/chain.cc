#include "tessera/eval/chain.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/eval/made_up_words.h"

namespace tessera {
namespace {

// Apart from the streams of other tasks of the same seed.
constexpr uint64_t kStream = uint64_t{3} << 40;
constexpr int64_t kMostKeys = 50'000;
constexpr std::string_view kHead = "Keys: ", kAsked = "Write a chain of ";

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Every "word-word" of a text, in order.
std::vector<std::pair<std::string, std::string>> keys_of(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  for (size_t dash = text.find('-'); dash != std::string_view::npos;
       dash = text.find('-', dash + 1)) {
    size_t begin = dash, end = dash + 1;
    while (begin > 0 && letter(text[begin - 1])) --begin;
    while (end < text.size() && letter(text[end])) ++end;
    if (begin == dash || end == dash + 1) continue;
    out.emplace_back(text.substr(begin, dash - begin), text.substr(dash + 1, end - dash - 1));
  }
  return out;
}

std::string joined(const std::vector<std::string>& keys) {
  std::string out;
  for (const std::string& k : keys) out += (out.empty() ? "" : ", ") + k;
  return out;
}

}  // namespace

NeedleItem make_chain(const ChainOptions& options, uint64_t index, int64_t room,
                      const std::function<int64_t(const std::string&)>& length) {
  NeedleItem item;
  const auto build = [&](int64_t n) {
    Random random(options.seed, kStream + index);
    const auto words = made_up_words(random, n + 4);
    // One ring through all words but the example's: the next key of key i is key i + 1.
    std::vector<std::string> keys;
    std::vector<size_t> order;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      keys.push_back(words[4 + i] + "-" + words[4 + (i + 1) % static_cast<size_t>(n)]);
      order.push_back(i);
    }
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    item.text = kHead;
    for (size_t i = 0; i < order.size(); ++i) {
      item.text.append(i == 0 ? "" : ", ").append(keys[order[i]]);
    }
    item.answers.clear();
    for (int64_t i = 0; i < options.keys; ++i) {
      item.answers.push_back(keys[(order[0] + static_cast<size_t>(i)) % keys.size()]);
    }
    const std::string first = words[0] + "-" + words[1], second = words[1] + "-" + words[2];
    item.question = std::string(kAsked) + std::to_string(options.keys) +
                    " keys from the list above: the first word of each key is the last word of the "
                    "key before it, as in " +
                    first + ", " + second + ", " + words[2] + "-" + words[3] +
                    ". Write the keys with commas between and nothing else.";
    item.answer = joined(item.answers);
  };
  int64_t tokens = 0;
  const int64_t n =
      largest_that_fits(std::max<int64_t>(options.keys, 2), kMostKeys, [&](int64_t k) {
        build(k);
        return (tokens = length(item.prompt())) <= room;
      });
  if (n == 0) {
    throw Error("length " + std::to_string(room),
                "is too short for " + std::to_string(options.keys) +
                    " keys and the question: they take " + std::to_string(tokens) + " tokens",
                "Give at least " + std::to_string(tokens) + ".");
  }
  build(n);
  return item;
}

std::vector<std::string> solve_chain(std::string_view prompt) {
  const size_t asked = prompt.rfind(kAsked);
  if (asked == std::string_view::npos) return {};
  int64_t count = 0;
  const std::string_view rest = prompt.substr(asked + kAsked.size());
  std::from_chars(rest.data(), rest.data() + rest.size(), count);
  const auto keys = keys_of(prompt.substr(0, asked));
  std::map<std::string, std::string> next(keys.begin(), keys.end());
  std::vector<std::string> out;
  if (keys.empty() || count > static_cast<int64_t>(keys.size())) return out;
  for (std::string at = keys[0].first;
       static_cast<int64_t>(out.size()) < count && next.contains(at); at = next[at]) {
    out.push_back(at + "-" + next[at]);
  }
  return out;
}

double score_chain(std::string_view output, std::string_view text, int64_t keys) {
  const auto listed = keys_of(text);
  const std::set<std::pair<std::string, std::string>> known(listed.begin(), listed.end());
  const auto given = keys_of(output);
  int64_t right = 0;
  for (size_t i = 0; i < given.size() && right < keys; ++i, ++right) {
    if (!known.contains(given[i])) break;
    if (i > 0 && given[i].first != given[i - 1].second) break;
  }
  return static_cast<double>(right) / static_cast<double>(keys);
}

}  // namespace tessera
