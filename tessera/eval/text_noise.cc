#include "tessera/eval/text_noise.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "tessera/text/utf8.h"

namespace tessera {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::array<Pair, 11> kLookAlikes = {{{"rn", "m"},
                                               {"cl", "d"},
                                               {"c", "e"},
                                               {"0", "o"},
                                               {"1", "l"},
                                               {"5", "S"},
                                               {"i", "l"},
                                               {"n", "m"},
                                               {"h", "b"},
                                               {"u", "v"},
                                               {"t", "f"}}};
constexpr std::array<std::string_view, 3> kKeys = {"qwertyuiop", "asdfghjkl", "zxcvbnm"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// What stands at `at` and may be replaced, and by what; both empty where nothing is.
Pair look_alike(std::string_view text, size_t at, Random& random) {
  std::vector<Pair> choices;
  for (const auto& [a, b] : kLookAlikes) {
    if (text.substr(at).starts_with(a)) choices.emplace_back(a, b);
    if (text.substr(at).starts_with(b)) choices.emplace_back(b, a);
  }
  return choices.empty() ? Pair() : choices[random.below(choices.size())];
}

// A key beside that of the letter; 0 where it is none.
char neighbour(char c, Random& random) {
  const bool upper = c >= 'A' && c <= 'Z';
  const char lower = upper ? static_cast<char>(c - 'A' + 'a') : c;
  for (const std::string_view row : kKeys) {
    const size_t at = row.find(lower);
    if (at == std::string_view::npos) continue;
    const bool left = at > 0 && (at + 1 == row.size() || random.below(2) == 0);
    const char found = row[left ? at - 1 : at + 1];
    return upper ? static_cast<char>(found - 'a' + 'A') : found;
  }
  return 0;
}

}  // namespace

NoisyText with_noise(std::string_view text, const NoiseRates& rates, Random& random) {
  NoisyText out;
  out.places.assign(text.size() + 1, -1);
  bool in_word = false;
  for (size_t i = 0; i < text.size();) {
    const size_t length = unit_at(text, i).length;
    const char c = text[i];
    if (in_word && is_letter(c) && random.uniform() < rates.space_in) {
      out.text += ' ';
      ++out.edits;
    }
    in_word = is_letter(c);
    out.places[i] = static_cast<int64_t>(out.text.size());
    if (c == ' ' && random.uniform() < rates.space_lost) {
      ++out.edits;
      ++i;
      continue;
    }
    if (random.uniform() < rates.look_alike) {
      const auto [from, to] = look_alike(text, i, random);
      if (!from.empty()) {
        out.text += to;
        ++out.edits;
        i += from.size();
        continue;
      }
    }
    const bool pair = is_letter(c) && i + 1 < text.size() && is_letter(text[i + 1]);
    if (pair && c != text[i + 1] && random.uniform() < rates.swapped) {
      out.text += text[i + 1];
      out.text += c;
      ++out.edits;
      i += 2;
      continue;
    }
    if (is_letter(c) && random.uniform() < rates.keyboard) {
      out.text += neighbour(c, random);
      ++out.edits;
      ++i;
      continue;
    }
    out.text += text.substr(i, length);
    i += length;
  }
  out.places[text.size()] = static_cast<int64_t>(out.text.size());
  return out;
}

int64_t edits_between(std::span<const TokenId> a, std::span<const TokenId> b) {
  std::vector<int64_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), int64_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    int64_t diagonal = row[0];
    row[0] = static_cast<int64_t>(i) + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const int64_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

void NoiseStability::add(const Tokenizer& tokenizer, std::string_view text) {
  constexpr EncodeOptions kContent{.add_template = false};
  const NoisyText noisy = with_noise(text, {}, random_);
  const Encoding clean = tokenizer.encode(text, kContent);
  const Encoding spoilt = tokenizer.encode(noisy.text, kContent);
  const std::vector<TokenId>&a = clean.ids, &b = spoilt.ids;
  std::vector<bool> cut(noisy.text.size() + 1);
  for (const ByteSpan& span : spoilt.spans) cut[static_cast<size_t>(span.begin)] = true;
  for (const ByteSpan& span : clean.spans) {
    const int64_t place = noisy.places[static_cast<size_t>(span.begin)];
    if (span.begin == 0 || place < 0) continue;
    ++cuts;
    kept_cuts += cut[static_cast<size_t>(place)];
  }
  character_edits += noisy.edits;
  token_edits += edits_between(a, b);
  clean_tokens += static_cast<int64_t>(a.size());
  noisy_tokens += static_cast<int64_t>(b.size());
}

double NoiseStability::rate() const {
  return character_edits == 0
             ? 0
             : static_cast<double>(token_edits) / static_cast<double>(character_edits);
}

double NoiseStability::kept() const {
  return cuts == 0 ? 0 : static_cast<double>(kept_cuts) / static_cast<double>(cuts);
}

double NoiseStability::growth() const {
  return clean_tokens == 0
             ? 0
             : static_cast<double>(noisy_tokens) / static_cast<double>(clean_tokens) - 1;
}

}  // namespace tessera
