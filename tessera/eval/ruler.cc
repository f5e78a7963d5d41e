#include "tessera/eval/ruler.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/eval/made_up_words.h"

namespace tessera {
namespace {

// Apart from the streams of other tasks of the same seed.
constexpr uint64_t kStream = uint64_t{2} << 40;
constexpr int64_t kMostLines = 200'000;
constexpr int64_t kLong = 4096;  // tokens from which word lists repeat their words more often

constexpr std::string_view kFiller =
    "The river runs slowly. The stones are grey. Birds sit on the wall. Someone closes a door. The "
    "day goes on.";

enum class Around : uint8_t { filler, prose, needles };
enum class ItemUnit : uint8_t { words, digits7, uuid };

// How needles are hidden.
struct Needles {
  const char* name;
  Around around;
  ItemUnit key, value;
  int64_t keys, values, asked;
};
constexpr std::array kNeedles = {
    Needles{"niah_single_1", Around::filler, ItemUnit::words, ItemUnit::digits7, 1, 1, 1},
    Needles{"niah_single_2", Around::prose, ItemUnit::words, ItemUnit::digits7, 1, 1, 1},
    Needles{"niah_single_3", Around::prose, ItemUnit::words, ItemUnit::uuid, 1, 1, 1},
    Needles{"niah_multikey_1", Around::prose, ItemUnit::words, ItemUnit::digits7, 4, 1, 1},
    Needles{"niah_multikey_2", Around::needles, ItemUnit::words, ItemUnit::digits7, 1, 1, 1},
    Needles{"niah_multikey_3", Around::needles, ItemUnit::uuid, ItemUnit::uuid, 1, 1, 1},
    Needles{"niah_multivalue", Around::prose, ItemUnit::words, ItemUnit::digits7, 1, 4, 1},
    Needles{"niah_multiquery", Around::prose, ItemUnit::words, ItemUnit::digits7, 4, 1, 4}};

constexpr int64_t kVariables = 5, kCommon = 10, kFrequent = 3;

const Needles* needles_of(const std::string& task) {
  for (const Needles& n : kNeedles) {
    if (n.name == task) return &n;
  }
  return nullptr;
}

std::string draw(Random& random, ItemUnit unit, int parts) {
  if (unit == ItemUnit::words) return random_key(random, parts);
  return random_value(random, unit == ItemUnit::uuid ? NeedleUnit::uuid : NeedleUnit::digits7);
}

// As many different ones as are asked for.
std::vector<std::string> distinct(Random& random, ItemUnit unit, int64_t count, int parts = 2) {
  std::vector<std::string> out;
  std::set<std::string> seen;
  while (static_cast<int64_t>(out.size()) < count) {
    std::string one = draw(random, unit, parts);
    if (seen.insert(one).second) out.push_back(std::move(one));
  }
  return out;
}

// "a", "a and b", "a, b and c".
std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    out.append(i == 0 ? "" : i + 1 == words.size() ? " and " : ", ").append(words[i]);
  }
  return out;
}

std::string_view name_of(ItemUnit unit) { return unit == ItemUnit::uuid ? "uuid" : "number"; }

std::string needle_line(const Needles& task, const std::string& key, const std::string& value) {
  return "One of the special magic " + std::string(name_of(task.value)) + "s for " + key +
         " is: " + value + ".";
}

void join_lines(std::string& text, const std::vector<std::string>& lines, std::string_view by) {
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += by;
    text += lines[i];
  }
}

// The lines with each insertion at its share of them.
void insert_at(std::vector<std::string>& lines,
               const std::vector<std::pair<double, std::string>>& more) {
  std::vector<std::string> out;
  out.reserve(lines.size() + more.size());
  auto order = more;
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t next = 0;
  for (size_t i = 0; i <= lines.size(); ++i) {
    for (; next < order.size() &&
           static_cast<size_t>(order[next].first * static_cast<double>(lines.size() + 1)) <= i;
         ++next) {
      out.push_back(order[next].second);
    }
    if (i < lines.size()) out.push_back(std::move(lines[i]));
  }
  lines = std::move(out);
}

void build_needles(const Needles& task, const RulerOptions& o, Random random, int64_t n,
                   NeedleItem& item) {
  const bool crowd = task.around == Around::needles;
  const int64_t keys_wanted = crowd ? n : task.keys;
  const auto keys = distinct(random, task.key, keys_wanted, crowd ? 3 : 2);
  const auto values = distinct(random, task.value, keys_wanted * task.values);
  const uint64_t first = crowd ? random.below(static_cast<uint64_t>(n)) : 0;
  std::vector<std::string> asked, lines;
  std::vector<std::pair<double, std::string>> hidden;
  item.answers.clear();
  for (size_t k = 0; k < keys.size(); ++k) {
    const bool wanted = crowd ? k == first : static_cast<int64_t>(k) < task.asked;
    if (wanted) asked.push_back(keys[k]);
    for (int64_t v = 0; v < task.values; ++v) {
      const std::string& value =
          values[k * static_cast<size_t>(task.values) + static_cast<size_t>(v)];
      if (wanted) item.answers.push_back(value);
      if (crowd) {
        lines.push_back(needle_line(task, keys[k], value));
      } else {
        // One of 40 depths, evenly spaced.
        hidden.emplace_back(static_cast<double>(random.below(40)) / 40,
                            needle_line(task, keys[k], value));
      }
    }
  }
  if (task.around == Around::filler) lines.assign(static_cast<size_t>(n), std::string(kFiller));
  if (task.around == Around::prose) {
    const size_t start = random.below(o.haystack.size());
    for (int64_t i = 0; i < n; ++i) {
      lines.push_back(o.haystack[(start + static_cast<size_t>(i)) % o.haystack.size()]);
    }
  }
  insert_at(lines, hidden);
  const bool many = item.answers.size() > 1;
  const std::string what = std::string(name_of(task.value)) + (many ? "s" : "");
  item.text = "Some special magic " + std::string(name_of(task.value)) +
              "s are hidden in the following text.\n";
  join_lines(item.text, lines, task.around == Around::prose ? " " : "\n");
  item.question = std::string(many ? "What are all the" : "What is the") + " special magic " +
                  what + " for " + listed(asked) + " mentioned in the provided text?";
  item.cue = "The special magic " + what + " for " + listed(asked) +
             " mentioned in the provided text " + (many ? "are" : "is");
}

// Five capital letters; ends none of the others.
std::vector<std::string> variables(Random& random, std::set<std::string>& used) {
  std::vector<std::string> out;
  while (static_cast<int64_t>(out.size()) < kVariables) {
    std::string name;
    for (int i = 0; i < 5; ++i) name += static_cast<char>('A' + random.below(26));
    if (used.insert(name).second) out.push_back(std::move(name));
  }
  return out;
}

std::string variable_text(Random& random, const std::vector<std::string>& names,
                          const std::string& value, int64_t n) {
  std::vector<std::string> lines(static_cast<size_t>(n), std::string(kFiller));
  std::vector<double> places;
  for (size_t i = 0; i < names.size(); ++i) places.push_back(random.uniform());
  std::sort(places.begin(), places.end());
  std::vector<std::pair<double, std::string>> hidden;
  for (size_t i = 0; i < names.size(); ++i) {
    hidden.emplace_back(places[i],
                        "VAR " + names[i] + " = " + (i == 0 ? value : "VAR " + names[i - 1]));
  }
  insert_at(lines, hidden);
  std::string text;
  join_lines(text, lines, "\n");
  return text;
}

std::string variable_question(const std::string& value) {
  return "Which variables of the text above have the value " + value +
         ", directly or through other variables? There are five.";
}
std::string variable_cue(const std::string& value) {
  return "The variables with the value " + value + " are";
}

void build_variables(Random random, int64_t n, NeedleItem& item) {
  std::set<std::string> used;
  const auto example = variables(random, used), names = variables(random, used);
  const uint64_t other = random.below(90'000), value = random.below(89'999);
  const std::string first = std::to_string(10'000 + other);
  const std::string second = std::to_string(10'000 + value + (value >= other ? 1 : 0));
  item.text = variable_text(random, example, first, 5) + "\n\n" + variable_question(first) + "\n" +
              variable_cue(first) + " " + listed(example) + ".\n\n" +
              variable_text(random, names, second, n);
  item.question = variable_question(second);
  item.cue = variable_cue(second);
  item.answers = names;
}

std::string numbered(Random& random, const std::vector<std::string>& words, size_t common,
                     int64_t often, int64_t seldom) {
  std::vector<const std::string*> all;
  for (size_t i = 0; i < words.size(); ++i) {
    all.insert(all.end(), static_cast<size_t>(i < common ? often : seldom), &words[i]);
  }
  for (size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random.below(i)]);
  std::string out;
  for (size_t i = 0; i < all.size(); ++i) {
    out.append(i == 0 ? "" : " ").append(std::to_string(i + 1)).append(". ").append(*all[i]);
  }
  return out;
}

constexpr std::string_view kCommonQuestion =
    "Which ten words occur most often in the numbered list above?";
constexpr std::string_view kCommonCue = "The ten words that occur most often in the list are:";

void build_common(Random random, int64_t n, bool long_text, NeedleItem& item) {
  const int64_t seldom_words = long_text ? 30 : 10;
  const auto words = made_up_words(random, kCommon + seldom_words + kCommon + n);
  const auto example_end = words.begin() + kCommon + seldom_words;
  const std::vector<std::string> example(words.begin(), example_end),
      mine(example_end, words.end());
  item.text = numbered(random, example, kCommon, long_text ? 10 : 3, long_text ? 3 : 1);
  item.text.append("\n\n").append(kCommonQuestion).append("\n").append(kCommonCue).append(" ");
  item.text += listed({example.begin(), example.begin() + kCommon}) + ".\n\n";
  item.text += numbered(random, mine, kCommon, long_text ? 30 : 6, long_text ? 3 : 1);
  item.question = kCommonQuestion;
  item.cue = kCommonCue;
  item.answers.assign(mine.begin(), mine.begin() + kCommon);
}

// `n` words in all, the word of rank r as often as r^-2 / zeta(2) says; dots stand for the first.
void build_frequent(Random random, int64_t n, int64_t vocabulary, NeedleItem& item) {
  constexpr double kZeta2 = 1.6449340668482264;
  const auto words = made_up_words(random, vocabulary);
  std::vector<std::string> all;
  for (size_t r = 0; r < words.size(); ++r) {
    const double rank = static_cast<double>(r + 1);
    const auto times = static_cast<size_t>(static_cast<double>(n) / (rank * rank * kZeta2));
    all.insert(all.end(), times, r == 0 ? "..." : words[r]);
  }
  for (size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random.below(i)]);
  item.text.clear();
  join_lines(item.text, all, " ");
  item.question =
      "Leaving the dots aside, which three words occur most often in the coded text above?";
  item.cue = "The three words that occur most often are:";
  item.answers.assign(words.begin() + 1, words.begin() + 1 + kFrequent);
}

std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const size_t at = text.rfind(before);
  if (at == std::string_view::npos) return {};
  const size_t begin = at + before.size(), end = text.find(after, begin);
  return end == std::string_view::npos ? std::string_view{} : text.substr(begin, end - begin);
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(" \n", at), text.size());
    if (end > at) out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// The words that occur most often, but for dots and numbers.
std::vector<std::string> most_frequent(std::string_view text, int64_t count) {
  std::map<std::string, int64_t> times;
  for (const std::string& word : words_of(text)) {
    if (std::islower(static_cast<unsigned char>(word[0]))) ++times[word];
  }
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto& [word, n] : times) order.emplace_back(-n, word);
  std::sort(order.begin(), order.end());
  std::vector<std::string> out;
  for (int64_t i = 0; i < std::min(count, static_cast<int64_t>(order.size())); ++i) {
    out.push_back(order[static_cast<size_t>(i)].second);
  }
  return out;
}

std::vector<std::string> solve_needles(const Needles& task, std::string_view prompt) {
  std::string_view keys = between(prompt, " for ", " mentioned in the provided text?");
  std::vector<std::string> out;
  while (!keys.empty()) {
    size_t end = keys.find(", ");
    size_t skip = 2;
    if (const size_t last = keys.find(" and "); last < end) {
      end = last;
      skip = 5;
    }
    const std::string key(keys.substr(0, end));
    const std::string before = needle_line(task, key, "");
    const std::string_view start = std::string_view(before).substr(0, before.size() - 1);
    for (size_t at = prompt.find(start); at != std::string_view::npos;
         at = prompt.find(start, at + 1)) {
      const size_t begin = at + start.size();
      out.emplace_back(prompt.substr(begin, prompt.find('.', begin) - begin));
    }
    keys = end == std::string_view::npos ? std::string_view{} : keys.substr(end + skip);
  }
  return out;
}

std::vector<std::string> solve_variables(std::string_view prompt) {
  const std::string_view asked = between(prompt, "have the value ", ",");
  std::map<std::string, std::string> is;
  const auto words = words_of(prompt);
  for (size_t i = 0; i + 3 < words.size(); ++i) {
    if (words[i] != "VAR" || words[i + 2] != "=") continue;
    is[words[i + 1]] = words[i + 3] == "VAR" && i + 4 < words.size() ? words[i + 4] : words[i + 3];
  }
  std::vector<std::string> out;
  for (const auto& [name, value] : is) {
    std::string at = value;
    for (size_t hop = 0; hop <= is.size() && is.contains(at); ++hop) at = is[at];
    if (at == asked) out.push_back(name);
  }
  return out;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

}  // namespace

const std::vector<std::string>& ruler_tasks() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Needles& n : kNeedles) out.emplace_back(n.name);
    out.insert(out.end(), {"vt", "cwe", "fwe"});
    return out;
  }();
  return names;
}

int64_t ruler_answer_tokens(const std::string& task) {
  return task == "vt" ? 30 : task == "cwe" ? 120 : task == "fwe" ? 50 : 128;
}

NeedleItem make_ruler(const RulerOptions& o, uint64_t index, int64_t room,
                      const std::function<int64_t(const std::string&)>& length) {
  const auto& known = ruler_tasks();
  if (std::find(known.begin(), known.end(), o.task) == known.end()) {
    throw Error("task " + o.task, "is none of RULER's that can be made",
                did_you_mean(o.task, known));
  }
  const Needles* needles = needles_of(o.task);
  if (needles && needles->around == Around::prose && o.haystack.empty()) {
    throw Error("haystack", "has no sentence", "Give a text with some.");
  }
  const auto number =
      static_cast<uint64_t>(std::find(known.begin(), known.end(), o.task) - known.begin());
  const Random random(o.seed, kStream + (number << 32) + index);
  NeedleItem item;
  // Fewer than eighty words do not tell ranks 2 to 5 apart.
  const int64_t least = o.task == "fwe" ? 80 : 1;
  const auto build = [&](int64_t n) {
    if (needles) {
      build_needles(*needles, o, random, n, item);
    } else if (o.task == "vt") {
      build_variables(random, n, item);
    } else if (o.task == "cwe") {
      build_common(random, n, room >= kLong, item);
    } else {
      build_frequent(random, n, std::max<int64_t>(room / 50, kFrequent + 2), item);
    }
  };
  int64_t tokens = 0;
  const int64_t n = largest_that_fits(least, kMostLines, [&](int64_t lines) {
    build(lines);
    tokens = length(item.prompt() + "\n" + item.cue) + ruler_answer_tokens(o.task);
    return tokens <= room;
  });
  if (n == 0) {
    throw Error("length " + std::to_string(room),
                "is too short for " + o.task + ": its smallest item takes " +
                    std::to_string(tokens) + " tokens with its answer",
                "Give at least " + std::to_string(tokens) + ".");
  }
  build(n);
  for (const std::string& a : item.answers) item.answer += (item.answer.empty() ? "" : ", ") + a;
  return item;
}

std::vector<std::string> solve_ruler(const std::string& task, std::string_view prompt) {
  if (const Needles* needles = needles_of(task)) return solve_needles(*needles, prompt);
  if (task == "vt") return solve_variables(prompt);
  // The text of the question itself: behind the worked example, which cwe alone has.
  const size_t end = prompt.rfind("\n\n");
  if (end == std::string_view::npos) return {};
  const size_t before = prompt.substr(0, end).rfind("\n\n");
  const size_t begin = before == std::string_view::npos ? 0 : before;
  return most_frequent(prompt.substr(begin, end - begin), task == "cwe" ? kCommon : kFrequent);
}

ContainedScore score_contained(std::string_view output, const std::vector<std::string>& wanted) {
  const auto lower = [](std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
  };
  const std::string text = lower(output);
  ContainedScore score;
  for (const std::string& w : wanted) {
    const std::string want = lower(w);
    bool there = false, exact = false;
    for (size_t at = text.find(want); at != std::string::npos && !exact && !want.empty();
         at = text.find(want, at + 1)) {
      there = true;
      const size_t end = at + want.size();
      exact = (at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]));
    }
    score.share += there ? 1 : 0;
    score.exact += exact ? 1 : 0;
  }
  if (!wanted.empty()) {
    score.share /= static_cast<double>(wanted.size());
    score.exact /= static_cast<double>(wanted.size());
  }
  return score;
}

}  // namespace tessera
