#include "tessera/eval/choice_task.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/random.h"
#include "tessera/eval/needle.h"

namespace tessera {
namespace {

enum Stream : uint64_t { kOrderStream = 1, kExampleStream = 2, kWordStream = 3 };

constexpr std::string_view kSlot = "{text}";

std::string filled(const std::string& prompt, const std::string& text) {
  std::string out = prompt;
  out.replace(out.find(kSlot), kSlot.size(), text);
  return out;
}

bool in_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 0x80;
}

// The last word of a sentence, and where it begins; empty when marks or digits stand in its place.
std::pair<std::string_view, size_t> last_word(std::string_view sentence) {
  size_t end = sentence.size();
  while (end > 0 && !in_word(sentence[end - 1]) && sentence[end - 1] != ' ') --end;
  size_t begin = end;
  while (begin > 0 && in_word(sentence[begin - 1])) --begin;
  if (begin == 0 || sentence[begin - 1] != ' ' || sentence.size() - end > 3) return {{}, 0};
  return {sentence.substr(begin, end - begin), begin};
}

}  // namespace

std::vector<size_t> shuffled(size_t n, uint64_t seed, uint64_t stream) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  Random random(seed, stream);
  for (size_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

std::vector<ChoiceItem> labelled_items(const std::vector<LabelledText>& texts,
                                       const LabelledOptions& options) {
  if (options.prompt.find(kSlot) == std::string::npos) {
    throw Error("--prompt", "does not say where the text stands", "Write {text} in it.");
  }
  std::vector<const LabelledText*> once;
  std::set<std::string_view> seen;
  std::set<std::string> labels;
  for (const LabelledText& t : texts) {
    if (seen.insert(t.text).second) once.push_back(&t);
    labels.insert(t.label);
  }
  if (labels.size() < 2) {
    throw Error("labelled texts", "have " + std::to_string(labels.size()) + " label",
                "Give texts of two labels or more.");
  }
  const auto shots = static_cast<size_t>(options.shots);
  if (once.size() <= shots) {
    throw Error("labelled texts",
                "are " + std::to_string(once.size()) + " different ones, for " +
                    std::to_string(shots) + " examples and the items",
                "Give more, or fewer --shots.");
  }
  const auto order = shuffled(once.size(), options.seed, kOrderStream);
  std::string examples;
  for (size_t i = 0; i < shots; ++i) {
    const LabelledText& t = *once[order[i]];
    examples += fmt::format("{} {}\n\n", filled(options.prompt, t.text), t.label);
  }
  std::vector<ChoiceItem> out;
  for (size_t i = shots; i < once.size(); ++i) {
    const LabelledText& t = *once[order[i]];
    ChoiceItem item;
    item.text = t.text;
    item.prompt = examples + filled(options.prompt, t.text);
    for (const std::string& label : labels) {
      if (label == t.label) item.gold = static_cast<int64_t>(item.choices.size());
      item.choices.push_back(fmt::format(" {}", label));
    }
    out.push_back(std::move(item));
  }
  return out;
}

std::vector<ChoiceItem> cloze_items(std::string_view text, int64_t count,
                                    const ClozeOptions& options) {
  const auto sentences = sentences_of(text);
  std::vector<std::string> words;  // distinct
  std::set<std::string_view> seen;
  std::vector<size_t> usable;
  std::set<std::string_view> asked;
  for (size_t i = 0; i < sentences.size(); ++i) {
    const std::string_view sentence = sentences[i];
    const auto [word, begin] = last_word(sentence);
    if (word.size() < 3 || begin < 12 || sentence.size() > 400) continue;
    if (seen.insert(word).second) words.emplace_back(word);
    if (i > 0 && asked.insert(sentence).second) usable.push_back(i);
  }
  const auto others = static_cast<size_t>(options.choices - 1);
  if (usable.empty() || words.size() < 2 * (others + 1)) {
    throw Error("text",
                "has " + std::to_string(usable.size()) + " sentences that end in a word, and " +
                    std::to_string(words.size()) + " different last words",
                "Give a longer text of whole sentences.");
  }
  std::sort(words.begin(), words.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  const auto order = shuffled(usable.size(), options.seed, kOrderStream);
  std::vector<ChoiceItem> out;
  for (size_t o = 0; o < order.size() && static_cast<int64_t>(out.size()) < count; ++o) {
    const size_t at = usable[order[o]];
    Random random(options.seed, kWordStream + at);
    const std::string& sentence = sentences[at];
    const auto [word, begin] = last_word(sentence);
    ChoiceItem item;
    item.text = sentence;
    const size_t first = at - std::min(at, static_cast<size_t>(options.context));
    for (size_t i = first; i < at; ++i) item.prompt.append(sentences[i]).append(" ");
    item.prompt += sentence.substr(0, begin - 1);
    // Others from the neighbourhood of its length.
    const auto place =
        static_cast<size_t>(std::find(words.begin(), words.end(), word) - words.begin());
    const size_t around = std::max<size_t>(4 * others, words.size() / 8);
    const size_t low = place - std::min(place, around);
    const size_t high = std::min(words.size(), place + around);
    std::set<size_t> drawn = {place};
    item.choices.emplace_back(word);
    while (item.choices.size() <= others) {
      const size_t pick = low + random.below(high - low);
      if (drawn.insert(pick).second) item.choices.push_back(words[pick]);
    }
    const size_t gold = random.below(item.choices.size());
    std::swap(item.choices[0], item.choices[gold]);
    item.gold = static_cast<int64_t>(gold);
    for (std::string& c : item.choices) c = fmt::format(" {}", c);
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace tessera
