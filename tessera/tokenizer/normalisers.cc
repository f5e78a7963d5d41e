#include "tessera/tokenizer/normalisers.h"

#include <functional>
#include <utility>

#include "tessera/text/graphemes.h"
#include "tessera/text/unicode.h"

namespace tessera {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

// A normaliser that is one function.
class FunctionNormaliser : public Normaliser {
 public:
  using Function = std::function<AlignedText(AlignedText)>;
  using Parts = bool (*)(char32_t left, char32_t right);
  FunctionNormaliser(Function function, Parts parts)
      : function_(std::move(function)), parts_(parts) {}
  AlignedText apply(AlignedText text) const override { return function_(std::move(text)); }
  bool parts_between(char32_t left, char32_t right) const override { return parts_(left, right); }

 private:
  Function function_;
  Parts parts_;
};

bool everywhere(char32_t, char32_t) { return true; }
bool nowhere(char32_t, char32_t) { return false; }

// In front of characters that are never reordered and never compose with what stands before them.
bool in_front_of_starter(char32_t, char32_t right) {
  struct Block {
    char32_t first, last;
  };
  static constexpr Block kStarters[] = {{0, 0x2FF},       {0x391, 0x3A1},   {0x3B1, 0x3C9},
                                        {0x410, 0x44F},   {0x3041, 0x3096}, {0x30A1, 0x30FA},
                                        {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xAC00, 0xD7A3}};
  return std::any_of(std::begin(kStarters), std::end(kStarters),
                     [=](const Block& b) { return right >= b.first && right <= b.last; });
}

bool beside_no_space(char32_t left, char32_t right) {
  static const CodeBitmap space("strip_space");
  return !space[left] && !space[right];
}

std::unique_ptr<Normaliser> from(FunctionNormaliser::Function function,
                                 FunctionNormaliser::Parts parts) {
  return std::make_unique<FunctionNormaliser>(std::move(function), parts);
}

// Calls `change(builder, code, range)` for every unit; it writes what the unit becomes.
template <class Change>
AlignedText each_unit(const AlignedText& text, const Change& change) {
  AlignedBuilder next(text);
  std::string_view bytes = text.text();
  for (size_t i = 0; i < bytes.size();) {
    Unit u = unit_at(bytes, i);
    change(next, u.code, ByteRange{i, i + u.length});
    i += u.length;
  }
  return next.finish();
}

AlignedText remove(AlignedText text, const CodeBitmap& which) {
  std::string_view bytes = text.text();
  bool any = false;
  for (size_t i = 0; i < bytes.size() && !any;) {
    Unit u = unit_at(bytes, i);
    any = which[u.code];
    i += u.length;
  }
  if (!any) return text;
  return each_unit(text, [&](AlignedBuilder& next, char32_t code, ByteRange at) {
    if (!which[code]) next.keep(at);
  });
}

AlignedText strip(AlignedText text, bool left, bool right) {
  static const CodeBitmap space("strip_space");
  std::string_view bytes = text.text();
  size_t begin = 0, end = 0;  // end: behind the last unit that is no space
  bool seen = false;
  for (size_t i = 0; i < bytes.size();) {
    Unit u = unit_at(bytes, i);
    if (!space[u.code]) {
      if (!seen) begin = i;
      seen = true;
      end = i + u.length;
    }
    i += u.length;
  }
  if (!seen) begin = bytes.size();
  if (!left) begin = 0;
  if (!right || (!seen && !left)) end = right ? 0 : bytes.size();
  if (begin > end) begin = end;
  if (begin == 0 && end == bytes.size()) return text;
  AlignedBuilder next(text);
  next.keep({begin, end});
  return next.finish();
}

AlignedText replace(AlignedText text, const Pattern& pattern, const std::string& content) {
  std::vector<ByteRange> matches;
  pattern.find_all(text.text(), {0, text.text().size()}, Reading::utf8, matches);
  if (matches.empty()) return text;
  AlignedBuilder next(text);
  size_t done = 0;
  for (ByteRange m : matches) {
    next.keep({done, m.begin});
    next.put(content, m);
    done = m.end;
  }
  next.keep({done, text.text().size()});
  return next.finish();
}

AlignedText bert_clean(AlignedText text, const BertNormaliserOptions& options) {
  static const CodeBitmap removed(*find_code_set("bert_removed") |
                                  CodeSet({{kInvalidByte, kCodeEnd - 1}}));
  static const CodeBitmap space("bert_clean_space"), chinese("bert_chinese");
  bool changes = false;
  std::string_view bytes = text.text();
  for (size_t i = 0; i < bytes.size() && !changes;) {
    Unit u = unit_at(bytes, i);
    changes = (options.clean_text && (removed[u.code] || (space[u.code] && u.code != ' '))) ||
              (options.chinese_spaces && chinese[u.code]);
    i += u.length;
  }
  if (!changes) return text;
  return each_unit(text, [&](AlignedBuilder& next, char32_t code, ByteRange at) {
    if (options.clean_text && removed[code]) return;
    if (options.clean_text && space[code]) return next.put(" ", at);
    bool alone = options.chinese_spaces && chinese[code];
    if (alone) next.put(" ", {at.begin, at.begin});
    next.keep(at);
    if (alone) next.put(" ", {at.end, at.end});
  });
}

bool nmt_removes(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}
bool nmt_space(char32_t c) {
  return c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
         c == 0xFFFD;
}

AlignedText apply_map(AlignedText text, const Charsmap& map) {
  std::string_view bytes = text.text();
  AlignedBuilder next(text);
  bool changed = false;
  // Writes what the map has for the front of `part`, if anything.
  auto replaced = [&](ByteRange part) {
    const Charsmap::Match match = map.shortest(bytes.substr(part.begin, part.size()));
    if (match.length == 0) return false;
    next.put(match.replacement, part);
    changed = true;
    return true;
  };
  constexpr size_t kLongestCluster = 5;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = at + grapheme_length(bytes, at);
    if (end - at <= kLongestCluster && replaced({at, end})) {
      at = end;
      continue;
    }
    while (at < end) {
      const ByteRange part{at, at + unit_at(bytes, at).length};
      if (!replaced(part)) next.keep(part);
      at = part.end;
    }
  }
  return changed ? next.finish() : std::move(text);
}

class FormNormaliser : public Normaliser {
 public:
  explicit FormNormaliser(NormalForm form) : form_(form) {}
  AlignedText apply(AlignedText text) const override { return normalise(std::move(text), form_); }
  bool parts_between(char32_t left, char32_t right) const override {
    return in_front_of_starter(left, right);
  }
  bool composes() const override { return form_ == NormalForm::nfc; }

 private:
  NormalForm form_;
};

class Replacer : public Normaliser {
 public:
  Replacer(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  AlignedText apply(AlignedText text) const override {
    return replace(std::move(text), pattern_, content_);
  }
  std::optional<SpaceMarks> space_marks() const override {
    if (pattern_.literal_text() != " " || content_ != kSpaceMark) return std::nullopt;
    return SpaceMarks{};
  }
  bool parts_between(char32_t, char32_t) const override {
    const std::string_view text = pattern_.literal_text();
    return !text.empty() && unit_at(text, 0).length == text.size();
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class BertNormaliser : public Normaliser {
 public:
  explicit BertNormaliser(const BertNormaliserOptions& options) : options_(options) {}
  AlignedText apply(AlignedText t) const override {
    static const CodeBitmap accent("bert_accent");
    t = bert_clean(std::move(t), options_);
    if (options_.strip_accents) t = remove(normalise(std::move(t), NormalForm::nfd), accent);
    return options_.lower_case ? lower_case(std::move(t)) : std::move(t);
  }
  // It works character by character, but for marks that form D reorders behind their letter.
  bool keeps_words_apart() const override { return true; }
  bool parts_between(char32_t left, char32_t right) const override {
    return in_front_of_starter(left, right);
  }

 private:
  BertNormaliserOptions options_;
};

class Prepender : public Normaliser {
 public:
  explicit Prepender(std::string text) : text_(std::move(text)) {}
  AlignedText apply(AlignedText text) const override {
    if (text.text().empty()) return text;
    AlignedBuilder next(text);
    next.put(text_, {0, 0});
    next.keep({0, text.text().size()});
    return next.finish();
  }
  std::string_view prefix() const override { return text_; }
  bool parts_between(char32_t, char32_t) const override { return true; }

 private:
  std::string text_;
};

char32_t last_unit(std::string_view text) {
  char32_t last = 0;
  for (size_t at = 0; at < text.size();) {
    const Unit u = unit_at(text, at);
    last = u.code;
    at += u.length;
  }
  return last;
}

class Sequence : public Normaliser {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Normaliser>> parts) : parts_(std::move(parts)) {}
  AlignedText apply(AlignedText text) const override {
    for (const auto& part : parts_) text = part->apply(std::move(text));
    return text;
  }
  std::optional<SpaceMarks> space_marks() const override {
    if (parts_.size() == 1) return parts_[0]->space_marks();
    if (parts_.size() != 2) return std::nullopt;
    const std::string_view prefix = parts_[0]->prefix();
    auto marks = parts_[1]->space_marks();
    if (!marks || marks->prefix || (prefix != " " && prefix != kSpaceMark)) return std::nullopt;
    marks->prefix = true;
    return marks;
  }
  bool parts_between(char32_t left, char32_t right) const override {
    std::string one, two;
    append_unit(one, left);
    append_unit(two, right);
    for (const auto& part : parts_) {
      if (!part->parts_between(left, right)) return false;
      const std::string before(part->apply(AlignedText(one)).text());
      const std::string both(part->apply(AlignedText(one + two)).text());
      if (before.empty() || before.size() >= both.size() || !both.starts_with(before)) return false;
      two = both.substr(before.size());
      one = before;
      left = last_unit(one);
      right = unit_at(two, 0).code;
    }
    return true;
  }

 private:
  std::vector<std::unique_ptr<Normaliser>> parts_;
};

}  // namespace

std::unique_ptr<Normaliser> normal_form(NormalForm form) {
  return std::make_unique<FormNormaliser>(form);
}

std::unique_ptr<Normaliser> lower_caser() {
  return from([](AlignedText t) { return lower_case(std::move(t)); }, everywhere);
}

std::unique_ptr<Normaliser> accent_stripper() {
  return from(
      [](AlignedText t) {
        static const CodeBitmap accent("accent");
        return remove(std::move(t), accent);
      },
      everywhere);
}

std::unique_ptr<Normaliser> space_stripper(bool left, bool right) {
  return from([=](AlignedText t) { return strip(std::move(t), left, right); }, beside_no_space);
}

std::unique_ptr<Normaliser> replacer(Pattern pattern, std::string content) {
  return std::make_unique<Replacer>(std::move(pattern), std::move(content));
}

std::unique_ptr<Normaliser> prepender(std::string text) {
  return std::make_unique<Prepender>(std::move(text));
}

std::unique_ptr<Normaliser> bert_normaliser(const BertNormaliserOptions& options) {
  return std::make_unique<BertNormaliser>(options);
}

std::unique_ptr<Normaliser> nmt_normaliser() {
  return from(
      [](const AlignedText& t) {
        return each_unit(t, [](AlignedBuilder& next, char32_t code, ByteRange at) {
          if (nmt_removes(code)) return;
          nmt_space(code) ? next.put(" ", at) : next.keep(at);
        });
      },
      everywhere);
}

std::unique_ptr<Normaliser> byte_level_normaliser() {
  return from(
      [](const AlignedText& t) {
        AlignedBuilder next(t);
        std::string_view bytes = t.text();
        std::string character;
        for (size_t i = 0; i < bytes.size(); ++i) {
          character.clear();
          append_unit(character, byte_level_character(static_cast<unsigned char>(bytes[i])));
          next.put(character, {i, i + 1});
        }
        return next.finish();
      },
      everywhere);
}

std::unique_ptr<Normaliser> precompiled(Charsmap map) {
  auto shared = std::make_shared<const Charsmap>(std::move(map));
  return from([shared](AlignedText t) { return apply_map(std::move(t), *shared); }, nowhere);
}

std::unique_ptr<Normaliser> sequence(std::vector<std::unique_ptr<Normaliser>> parts) {
  return std::make_unique<Sequence>(std::move(parts));
}

}  // namespace tessera
