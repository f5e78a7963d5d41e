#include "tessera/eval/needle.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <iterator>

#include "tessera/base/error.h"
#include "tessera/base/random.h"

namespace tessera {
namespace {

constexpr std::array kAdjectives = {"amber",  "brisk",  "calm",   "clever", "copper", "distant",
                                    "eager",  "gentle", "hollow", "humble", "ivory",  "jolly",
                                    "little", "mellow", "narrow", "polite", "quiet",  "rapid",
                                    "silver", "sturdy", "tender", "velvet", "wooden", "yellow"};
constexpr std::array kNouns = {"anchor", "basket", "bridge", "candle",  "compass", "feather",
                               "garden", "hammer", "island", "kettle",  "ladder",  "lantern",
                               "market", "meadow", "mirror", "orchard", "pepper",  "pillow",
                               "ribbon", "saddle", "teapot", "violin",  "wagon",   "window"};
constexpr std::array kPeople = {"The baker",     "An old sailor",     "The neighbour",
                                "A young clerk", "The gardener",      "Her brother",
                                "The teacher",   "A travelling cook", "The postman",
                                "His aunt",      "The carpenter",     "A tired driver"};
constexpr std::array kDeeds = {"carried",  "painted",   "repaired", "forgot",
                               "admired",  "described", "borrowed", "cleaned",
                               "measured", "polished",  "moved",    "sold"};
constexpr std::array kWhen = {"before the rain began",
                              "while the shop was still closed",
                              "after a long walk",
                              "on the first cold morning",
                              "without saying a word",
                              "because the road was blocked",
                              "as the bells were ringing",
                              "until the lamps went out",
                              "although nobody had asked",
                              "when the last train had left",
                              "in the shade of the old wall",
                              "once the letters were written"};

// Streams of the seed: one a purpose, so that items do not depend on each other.
enum Purpose : uint64_t { kHaystackStream = 1, kItemStream = 1'000'000 };

template <class List>
const char* pick(Random& random, const List& list) {
  return list[random.below(std::size(list))];
}

std::string needle_of(NeedleKind kind, const std::string& key, const std::string& value) {
  if (kind == NeedleKind::passkey) {
    return "The pass key is " + value + ". Remember it. " + value + " is the pass key.";
  }
  return "One of the special magic numbers for " + key + " is: " + value + ".";
}

std::string question_of(NeedleKind kind, const std::string& key) {
  if (kind == NeedleKind::passkey) return "What is the pass key?";
  return "What is the special magic number for " + key + " mentioned in the provided text?";
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Length in bytes of the sentence mark at `at`, 0 when there is none.
size_t mark_at(std::string_view text, size_t at) {
  if (text[at] == '.' || text[at] == '?' || text[at] == '!') return 1;
  for (std::string_view wide : {"\u3002", "\uff01", "\uff1f"}) {
    if (text.substr(at).starts_with(wide)) return wide.size();
  }
  return 0;
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

}  // namespace

std::string random_value(Random& random, NeedleUnit unit) {
  if (unit == NeedleUnit::digits5 || unit == NeedleUnit::digits7) {
    const uint64_t least = unit == NeedleUnit::digits5 ? 10'000 : 1'000'000;
    return std::to_string(least + random.below(9 * least));
  }
  std::string out;
  for (int i = 0; i < (unit == NeedleUnit::hex8 ? 8 : 36); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    out += dash ? '-' : "0123456789abcdef"[random.below(16)];
  }
  return out;
}

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> out;
  size_t begin = 0;
  auto cut = [&](size_t end) {
    std::string sentence = trimmed(text.substr(begin, end - begin));
    std::replace(sentence.begin(), sentence.end(), '\n', ' ');
    if (!sentence.empty()) out.push_back(std::move(sentence));
    begin = end;
  };
  for (size_t at = 0; at < text.size();) {
    const size_t mark = mark_at(text, at);
    const size_t next = at + std::max<size_t>(mark, 1);
    const bool spaced = next >= text.size() || text[next] == ' ' || text[next] == '\n' ||
                        text[next] == '\t' || text[next] == '\r';
    if ((mark == 1 && spaced) || mark > 1) cut(next);
    if (mark == 0 && text.substr(at).starts_with("\n\n")) cut(next);
    at = next;
  }
  cut(text.size());
  return out;
}

std::vector<std::string> made_up_sentences(uint64_t seed, int64_t count) {
  Random random(seed, kHaystackStream);
  std::vector<std::string> out;
  out.reserve(static_cast<size_t>(std::max<int64_t>(count, 0)));
  for (int64_t i = 0; i < count; ++i) {
    std::string s = pick(random, kPeople);
    s.append(" ").append(pick(random, kDeeds)).append(" the ").append(pick(random, kAdjectives));
    s.append(" ").append(pick(random, kNouns)).append(" ").append(pick(random, kWhen)).append(".");
    out.push_back(std::move(s));
  }
  return out;
}

std::string random_key(Random& random, int parts) {
  std::string key;
  for (int i = 1; i < parts; ++i) key.append(pick(random, kAdjectives)).append("-");
  return key + pick(random, kNouns);
}

int64_t largest_that_fits(int64_t least, int64_t most, const std::function<bool(int64_t)>& fits) {
  if (!fits(least)) return 0;
  int64_t low = least, high = std::min(2 * low, most + 1);
  while (high <= most && fits(high)) {
    low = high;
    high = std::min(2 * high, most + 1);
  }
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

NeedleItem make_needle(const NeedleOptions& options, const std::vector<std::string>& haystack,
                       double depth, uint64_t index, int64_t room,
                       const std::function<int64_t(const std::string&)>& length) {
  if (haystack.empty()) {
    throw Error("haystack", "has no sentence", "Give a text with some.");
  }
  Random random(options.seed, kItemStream + index);
  std::vector<std::string> keys, needles;
  NeedleItem item;
  item.depth = depth;
  const int64_t count = 1 + (options.kind == NeedleKind::keyed ? options.others : 0);
  constexpr auto kMost = static_cast<int64_t>(kAdjectives.size() * kNouns.size());
  if (count > kMost / 2) {
    throw Error("needles", "there are keys for " + std::to_string(kMost / 2) + ", not for " +
                               std::to_string(count));
  }
  while (static_cast<int64_t>(keys.size()) < count) {
    std::string key = random_key(random);
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const std::string value = random_value(random, options.unit);
    if (keys.empty()) item.answer = value;
    needles.push_back(needle_of(options.kind, key, value));
    keys.push_back(std::move(key));
  }
  item.question = question_of(options.kind, keys[0]);
  const size_t start = random.below(haystack.size());
  std::vector<double> places;
  places.reserve(static_cast<size_t>(count));
  for (int64_t i = 1; i < count; ++i) places.push_back(random.uniform());

  // The text with its needles among the first n sentences of the haystack.
  auto build = [&](int64_t n) {
    std::vector<std::string> parts;
    parts.reserve(static_cast<size_t>(n + count));
    for (int64_t i = 0; i < n; ++i) {
      parts.push_back(haystack[(start + static_cast<size_t>(i)) % haystack.size()]);
    }
    auto insert = [&](double where, const std::string& needle) {
      const auto at = static_cast<ptrdiff_t>(where * static_cast<double>(parts.size()));
      parts.insert(parts.begin() + at, needle);
    };
    for (size_t i = 0; i < places.size(); ++i) insert(places[i], needles[i + 1]);
    insert(depth, needles[0]);
    item.text.clear();
    for (const std::string& p : parts) item.text += (item.text.empty() ? "" : " ") + p;
  };
  auto fits = [&](int64_t n) {
    build(n);
    return length(item.prompt()) <= room;
  };
  if (!fits(1)) {
    const int64_t least = length(item.prompt());
    throw Error("length " + std::to_string(room),
                "is too short for a needle, a sentence and the question: they take " +
                    std::to_string(least) + " tokens",
                "Give at least " + std::to_string(least) + ".");
  }
  build(largest_that_fits(1, int64_t{1} << 40, fits));
  return item;
}

std::string solve_needle(const NeedleOptions& options, std::string_view prompt) {
  auto between = [](std::string_view text, std::string_view before,
                    std::string_view after) -> std::string_view {
    const size_t at = text.find(before);
    if (at == std::string_view::npos) return {};
    const size_t begin = at + before.size(), end = text.find(after, begin);
    return end == std::string_view::npos ? std::string_view{} : text.substr(begin, end - begin);
  };
  if (options.kind == NeedleKind::passkey) {
    return std::string(between(prompt, "The pass key is ", "."));
  }
  const auto key = between(prompt, "What is the special magic number for ", " mentioned in");
  if (key.empty()) return "";
  return std::string(
      between(prompt, "special magic numbers for " + std::string(key) + " is: ", "."));
}

bool holds_answer(std::string_view output, std::string_view answer) {
  if (answer.empty()) return false;
  for (size_t at = output.find(answer); at != std::string_view::npos;
       at = output.find(answer, at + 1)) {
    const size_t end = at + answer.size();
    if ((at == 0 || !is_word(output[at - 1])) && (end == output.size() || !is_word(output[end]))) {
      return true;
    }
  }
  return false;
}

Interval wilson(int64_t right, int64_t n) {
  return n <= 0 ? Interval{}
                : wilson_of_share(static_cast<double>(right) / static_cast<double>(n), n);
}

Interval wilson_of_share(double p, int64_t n) {
  if (n <= 0) return {};
  constexpr double kZ = 1.959963984540054;
  const auto count = static_cast<double>(n);
  const double z2 = kZ * kZ / count;
  const double middle = (p + z2 / 2) / (1 + z2);
  const double half = kZ * std::sqrt(p * (1 - p) / count + z2 / (4 * count)) / (1 + z2);
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

}  // namespace tessera
