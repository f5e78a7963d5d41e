#include "tessera/eval/linguistic.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/text/corpus.h"
#include "tessera/text/unicode.h"
#include "tessera/text/utf8.h"

namespace tessera {
namespace {

constexpr size_t kMostWords = 1000000, kLongestWord = 256, kMostGold = 1000000;
constexpr size_t kLengths = 65;  // characters of a token that the null tells apart
constexpr EncodeOptions kContent{.add_template = false};

const CodeBitmap& letters() {
  static const CodeBitmap set(*find_code_set("L") | *find_code_set("M"));
  return set;
}
const CodeBitmap& numbers() {
  static const CodeBitmap set(*find_code_set("N"));
  return set;
}
const CodeBitmap& spaces() {
  static const CodeBitmap set(*find_code_set("Z") | CodeSet({{0x09, 0x0D}}));
  return set;
}

bool is_space(char32_t code) { return code < kInvalidByte && spaces()[code]; }
bool is_letter(char32_t code) { return code < kInvalidByte && letters()[code]; }

std::string_view trimmed_of(std::string_view bytes) {
  size_t begin = bytes.size(), end = 0;
  for (size_t i = 0; i < bytes.size();) {
    const Unit u = unit_at(bytes, i);
    if (!is_space(u.code)) {
      begin = std::min(begin, i);
      end = i + u.length;
    }
    i += u.length;
  }
  return begin < end ? bytes.substr(begin, end - begin) : std::string_view();
}

size_t characters_in(std::string_view text) {
  size_t n = 0;
  for (size_t i = 0; i < text.size(); i += unit_at(text, i).length) ++n;
  return n;
}

// The unit in front of byte `at`; 0 at the beginning.
char32_t unit_before(std::string_view text, size_t at) {
  if (at == 0) return 0;
  size_t back = 1;
  while (back < 4 && back < at && (static_cast<unsigned char>(text[at - back]) & 0xC0) == 0x80) {
    ++back;
  }
  const Unit u = unit_at(text, at - back);
  return u.length == back ? u.code : kInvalidByte;
}

// Whether a word goes on across byte `at` of the text: letters on both sides, or one behind what
// joins.
bool inside_word(const Language& language, std::string_view text, size_t at) {
  if (at == 0 || at >= text.size()) return false;
  const char32_t before = unit_before(text, at);
  if (is_letter(before)) return is_letter(unit_at(text, at).code);
  if (!language.joins(before)) return false;
  size_t joiner = at - 1;
  while (joiner > 0 && unit_at(text, joiner).code != before) --joiner;
  return is_letter(unit_before(text, joiner)) && is_letter(unit_at(text, at).code);
}

}  // namespace

std::string_view name_of(UnitClass unit) {
  constexpr std::string_view kNames[kUnitClasses] = {
      "word-like", "number", "punctuation", "white space", "special", "fragment", "mixed"};
  return kNames[static_cast<size_t>(unit)];
}

UnitClass class_of(std::string_view trimmed) {
  if (trimmed.empty()) return UnitClass::space;
  bool letter = false, number = false, other = false;
  for (size_t i = 0; i < trimmed.size();) {
    const Unit u = unit_at(trimmed, i);
    if (u.code >= kInvalidByte) return UnitClass::fragment;
    if (letters()[u.code]) {
      letter = true;
    } else if (numbers()[u.code]) {
      number = true;
    } else {
      other = true;
    }
    i += u.length;
  }
  if (letter && !number && !other) return UnitClass::word;
  if (number && !letter && !other) return UnitClass::number;
  if (other && !letter && !number) return UnitClass::punctuation;
  return UnitClass::mixed;
}

void ValidCounts::add(int64_t times, bool is_valid, bool is_pure) {
  all += times;
  valid += is_valid ? times : 0;
  pure += is_pure ? times : 0;
}

LinguisticMeter::LinguisticMeter(std::shared_ptr<const Tokenizer> tokenizer,
                                 const Language& language, LinguisticOptions options)
    : tokenizer_(std::move(tokenizer)),
      language_(language),
      options_(options),
      lengths_(kLengths) {}

LinguisticMeter::Verdict LinguisticMeter::judge(const std::string& trimmed, bool starts,
                                                bool ends) const {
  const bool strict = options_.strict;
  std::string key = trimmed;
  key += strict ? starts ? ends ? '4' : '3' : ends ? '2' : '1' : '0';
  const auto [it, fresh] = judged_.try_emplace(std::move(key));
  if (!fresh) return it->second;
  const std::string folded = language_.folded(trimmed);
  // A suffix needs a word in front of it, a prefix one behind it.
  const auto places =
      static_cast<uint8_t>(!strict ? kPrefix | kSuffix | kInfix
                                   : (starts ? 0 : kSuffix) | (starts && !ends ? kPrefix : 0) |
                                         (!starts && !ends ? kInfix : 0));
  const bool may_be_word = !strict || starts;
  Verdict& out = it->second;
  out.pure = language_.affix(folded, places) || (may_be_word && language_.root(folded));
  out.valid = out.pure || (may_be_word && language_.word(trimmed, folded));
  return out;
}

void LinguisticMeter::add(std::string_view text) {
  const Encoding encoding = tokenizer_->encode(text, kContent);
  const Vocabulary& vocabulary = tokenizer_->vocabulary();
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const TokenId id = encoding.ids[i];
    const TokenRole role = vocabulary.role(id);
    const bool special =
        role == TokenRole::control || role == TokenRole::unknown || role == TokenRole::unused;
    const std::string_view bytes = vocabulary.bytes(id);
    const std::string trimmed(special ? vocabulary.piece(id) : trimmed_of(bytes));
    const UnitClass unit = special ? UnitClass::special : class_of(trimmed);
    bool starts = true, ends = true;
    if (unit == UnitClass::word) {
      const auto [begin, end] = encoding.spans[i];
      const std::string_view covered =
          text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
      const std::string_view inner = trimmed_of(covered);
      const size_t front = inner.empty() ? static_cast<size_t>(begin)
                                         : static_cast<size_t>(inner.data() - text.data());
      starts = !inside_word(language_, text, front);
      ends = !inside_word(language_, text, front + inner.size());
      ++lengths_[std::min(characters_in(trimmed), kLengths - 1)];
    }
    std::string key = trimmed;
    key.insert(key.begin(), options_.strict && unit == UnitClass::word ? starts ? '<' : '>' : '=');
    Seen& seen = seen_[key];
    seen.unit = unit;
    ++seen.times;
    if (unit == UnitClass::word) {
      // One place of the string suffices for the type to be valid.
      const Verdict verdict = judge(trimmed, starts, ends);
      seen.verdict.valid = seen.verdict.valid || verdict.valid;
      seen.verdict.pure = seen.verdict.pure || verdict.pure;
    }
  }
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    while (i < text.size()) {
      const Unit u = unit_at(text, i);
      if (!is_letter(u.code)) break;
      i += u.length;
    }
    if (i > begin && i - begin <= kLongestWord) {
      std::string word(text.substr(begin, i - begin));
      const auto it = words_.find(word);
      if (it != words_.end()) {
        ++it->second;
      } else if (words_.size() < kMostWords) {
        words_.emplace(std::move(word), 1);
      }
    }
    if (i < text.size()) i += unit_at(text, i).length;
  }
}

void LinguisticMeter::add_gold(const std::vector<GoldWord>& words) {
  gold_.insert(gold_.end(), words.begin(), words.end());
}

std::vector<int64_t> LinguisticMeter::random_cuts(std::string_view word, Random& random) const {
  std::vector<int64_t> at = {0};  // bytes of the characters
  for (size_t i = 0; i < word.size();) {
    i += unit_at(word, i).length;
    at.push_back(static_cast<int64_t>(i));
  }
  const size_t characters = at.size() - 1;
  std::vector<int64_t> cuts;
  if (std::all_of(lengths_.begin(), lengths_.end(), [](double n) { return n == 0; })) return cuts;
  // The last piece is what the others leave.
  for (size_t from = 0; from < characters;) {
    from += random.categorical(lengths_);
    if (from < characters) cuts.push_back(at[from]);
  }
  return cuts;
}

LinguisticResult LinguisticMeter::finish() const {
  LinguisticResult out;
  const auto count = [](ScopedCounts& counts, UnitClass unit, int64_t times, const Verdict& v) {
    counts.all.add(times, v.valid, v.pure);
    if (unit == UnitClass::word) counts.words.add(times, v.valid, v.pure);
  };
  for (const auto& [key, seen] : seen_) {
    count(out.types, seen.unit, 1, seen.verdict);
    count(out.occurrences, seen.unit, seen.times, seen.verdict);
    out.classes[static_cast<size_t>(seen.unit)] += seen.times;
    // What is no word is no choice of the tokenizer's cuts within words.
    if (seen.unit != UnitClass::word) {
      count(out.null_types, seen.unit, 1, {});
      count(out.null_occurrences, seen.unit, seen.times, {});
    }
  }
  std::vector<std::pair<std::string_view, int64_t>> words(words_.begin(), words_.end());
  std::sort(words.begin(), words.end());
  Random random(options_.seed);
  std::unordered_map<std::string, Verdict> null_types;
  for (const auto& [word, times] : words) {
    const std::string written(word), folded = language_.folded(word);
    out.words += times;
    if (language_.word(written, folded) || language_.root(folded)) out.known_words += times;
    // A frequent word is drawn often enough for its share to settle.
    constexpr int64_t kMostDraws = 16;
    const int64_t draws = std::min(times, kMostDraws);
    for (int64_t draw = 0; draw < draws; ++draw) {
      const int64_t weight = times / draws + (draw < times % draws);
      std::vector<int64_t> cuts = random_cuts(word, random);
      cuts.push_back(static_cast<int64_t>(word.size()));
      int64_t from = 0;
      for (const int64_t to : cuts) {
        const std::string piece(
            word.substr(static_cast<size_t>(from), static_cast<size_t>(to - from)));
        const bool starts = from == 0;
        const Verdict v = judge(piece, starts, to == static_cast<int64_t>(word.size()));
        count(out.null_occurrences, UnitClass::word, weight, v);
        std::string key = piece;
        key.insert(key.begin(), options_.strict ? starts ? '<' : '>' : '=');
        Verdict& type = null_types[key];
        type.valid = type.valid || v.valid;
        type.pure = type.pure || v.pure;
        from = to;
      }
    }
  }
  for (const auto& [key, v] : null_types) count(out.null_types, UnitClass::word, 1, v);
  out.gold_words = static_cast<int64_t>(gold_.size());
  const std::string front = "a ";
  for (const GoldWord& gold : gold_) {
    const Encoding e = tokenizer_->encode(front + gold.word, kContent);
    std::vector<int64_t> cuts;
    for (const ByteSpan& span : e.spans) {
      const int64_t at = span.begin - static_cast<int64_t>(front.size());
      if (at > 0 && (cuts.empty() || cuts.back() < at)) cuts.push_back(at);
    }
    out.boundaries.add(cuts, gold.cuts);
    out.null_boundaries.add(random_cuts(gold.word, random), gold.cuts);
  }
  return out;
}

std::vector<LinguisticMeter::GoldWord> read_gold(const std::string& path) {
  std::vector<LinguisticMeter::GoldWord> out;
  int64_t number = 0;
  read_lines(path, [&](std::string_view line) {
    ++number;
    LinguisticMeter::GoldWord word;
    while (true) {
      const size_t begin = line.find_first_not_of(" \t");
      if (begin == std::string_view::npos) break;
      line.remove_prefix(begin);
      const size_t end = std::min(line.find_first_of(" \t"), line.size());
      if (!word.word.empty()) word.cuts.push_back(static_cast<int64_t>(word.word.size()));
      word.word += line.substr(0, end);
      line.remove_prefix(end);
    }
    if (word.word.empty()) return;
    const std::string place = fmt::format("{}: line {}", path, number);
    if (!is_utf8(word.word) || word.word.size() > kLongestWord) {
      throw Error(place, fmt::format("is no word of UTF-8 up to {} bytes", kLongestWord),
                  "Write the pieces of a word with spaces between them: ev ler im.");
    }
    if (out.size() >= kMostGold) throw Error(place, fmt::format("is beyond {} words", kMostGold));
    out.push_back(std::move(word));
  });
  if (out.empty()) throw Error(path, "holds no word");
  return out;
}

}  // namespace tessera
