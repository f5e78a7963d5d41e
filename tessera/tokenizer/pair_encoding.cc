#include "tessera/tokenizer/pair_encoding.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "tessera/base/error.h"

namespace tessera {
namespace {

// The lengths that both texts keep when `most` tokens may remain in all.
std::pair<size_t, size_t> kept(size_t first, size_t second, size_t most, Truncation strategy) {
  if (first + second <= most) return {first, second};
  if (most == 0) return {0, 0};
  if (strategy == Truncation::longest_first) {
    // The shorter one stays whole while there is room for it; else both get half.
    const size_t shorter = std::min(first, second);
    if (2 * shorter <= most) {
      return first <= second ? std::pair(first, most - first) : std::pair(most - second, second);
    }
    const size_t half = most / 2, rest = most - half;
    return first <= second ? std::pair(half, rest) : std::pair(rest, half);
  }
  const bool cut_first = strategy == Truncation::only_first;
  const size_t over = first + second - most, cut_one = cut_first ? first : second;
  if (cut_one <= over) {
    throw Error("truncation",
                "the " + std::string(cut_first ? "first" : "second") + " text has " +
                    std::to_string(cut_one) + " tokens, " + std::to_string(over) +
                    " too many for both",
                "Cut the other text, or let the longer one be cut (LongestFirst).");
  }
  return cut_first ? std::pair(first - over, second) : std::pair(first, second - over);
}

// A place for both texts, from what stands around one.
std::vector<PairPart> parts_of(const TextTemplate& frame) {
  if (!frame.pair.empty()) return frame.pair;
  return {
      {.ids = frame.before}, {.text = 0}, {.text = 1, .type = 1}, {.ids = frame.after, .type = 1}};
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void add_text(const Encoding& from, int8_t text, int32_t type, PairEncoding& out) {
  append(out.ids, from.ids);
  append(out.spans, from.spans);
  append(out.pre_tokens, from.pre_tokens);
  append(out.origins, from.origins);
  out.texts.resize(out.ids.size(), text);
  out.type_ids.resize(out.ids.size(), type);
}

void add_template(const std::vector<TokenId>& ids, int32_t type, PairEncoding& out) {
  append(out.ids, ids);
  out.spans.resize(out.ids.size());
  out.pre_tokens.resize(out.ids.size(), -1);
  out.origins.resize(out.ids.size(), TokenOrigin::template_text);
  out.texts.resize(out.ids.size(), -1);
  out.type_ids.resize(out.ids.size(), type);
}

void pad(const LengthRules::Padding& rule, PairEncoding& out) {
  const auto held = static_cast<int64_t>(out.ids.size());
  int64_t wanted = std::max(held, rule.least);
  wanted = (wanted + rule.multiple - 1) / rule.multiple * rule.multiple;
  PairEncoding padding;
  add_template(std::vector<TokenId>(static_cast<size_t>(wanted - held), rule.id), rule.type,
               padding);
  auto put = [&](auto& to, const auto& from) {
    to.insert(rule.front ? to.begin() : to.end(), from.begin(), from.end());
  };
  put(out.ids, padding.ids);
  put(out.spans, padding.spans);
  put(out.pre_tokens, padding.pre_tokens);
  put(out.origins, padding.origins);
  put(out.texts, padding.texts);
  put(out.type_ids, padding.type_ids);
}

}  // namespace

EncodeOptions options_of_one(const EncodeOptions& options) {
  EncodeOptions plain = options;
  plain.add_template = false;
  plain.file_lengths = false;
  plain.longest = 0;
  return plain;
}

void cut(Encoding& encoding, size_t count, bool front) {
  if (encoding.ids.size() <= count) return;
  const auto over = static_cast<std::ptrdiff_t>(encoding.ids.size() - count);
  auto keep = [&](auto& values) {
    front ? values.erase(values.begin(), values.begin() + over)
          : values.erase(values.end() - over, values.end());
  };
  keep(encoding.ids);
  keep(encoding.spans);
  keep(encoding.pre_tokens);
  keep(encoding.origins);
}

PairEncoding join_pair(Encoding first, Encoding second, const TextTemplate& frame,
                       const LengthRules& rules, const EncodeOptions& options) {
  const std::vector<PairPart> parts = parts_of(frame);
  size_t around = 0;
  for (const PairPart& part : parts) around += options.add_template ? part.ids.size() : 0;
  auto room = [&](int64_t longest) {
    return static_cast<size_t>(std::max<int64_t>(0, longest - static_cast<int64_t>(around)));
  };
  auto shorten = [&](size_t most, Truncation strategy, bool front) {
    const auto [a, b] = kept(first.ids.size(), second.ids.size(), most, strategy);
    cut(first, a, front);
    cut(second, b, front);
  };
  if (options.file_lengths && rules.longest) {
    shorten(room(*rules.longest), rules.strategy, rules.cut_front);
  }
  if (options.longest > 0) shorten(room(options.longest), Truncation::longest_first, false);
  PairEncoding out;
  for (const PairPart& part : parts) {
    if (part.text >= 0) {
      add_text(part.text == 0 ? first : second, part.text, part.type, out);
    } else if (options.add_template) {
      add_template(part.ids, part.type, out);
    }
  }
  if (options.file_lengths && rules.padding) pad(*rules.padding, out);
  return out;
}

}  // namespace tessera
