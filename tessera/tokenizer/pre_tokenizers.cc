#include "tessera/tokenizer/pre_tokenizers.h"

#include <algorithm>
#include <utility>

#include "tessera/text/unicode.h"
#include "tessera/tokenizer/known_patterns.h"

namespace tessera {
namespace {

struct Cut {
  ByteRange range;
  bool match;
};

// Joins the cuts of one piece as `behaviour` says and appends what is left.
void join(std::vector<Cut>& cuts, SplitBehaviour behaviour, std::vector<ByteRange>& out) {
  const size_t first = out.size();
  bool previous = false;
  switch (behaviour) {
    case SplitBehaviour::isolated:
      for (const Cut& c : cuts) out.push_back(c.range);
      break;
    case SplitBehaviour::removed:
      for (const Cut& c : cuts) {
        if (!c.match) out.push_back(c.range);
      }
      break;
    case SplitBehaviour::contiguous:
      for (const Cut& c : cuts) {
        if (out.size() > first && c.match == previous) {
          out.back().end = c.range.end;
        } else {
          out.push_back(c.range);
        }
        previous = c.match;
      }
      break;
    case SplitBehaviour::merged_with_previous:
      for (const Cut& c : cuts) {
        if (c.match && !previous && out.size() > first) {
          out.back().end = c.range.end;
        } else {
          out.push_back(c.range);
        }
        previous = c.match;
      }
      break;
    case SplitBehaviour::merged_with_next:
      for (size_t i = cuts.size(); i-- > 0;) {
        const Cut& c = cuts[i];
        if (c.match && !previous && out.size() > first) {
          out.back().begin = c.range.begin;
        } else {
          out.push_back(c.range);
        }
        previous = c.match;
      }
      std::reverse(out.begin() + static_cast<ptrdiff_t>(first), out.end());
      break;
  }
  out.erase(std::remove_if(out.begin() + static_cast<ptrdiff_t>(first), out.end(),
                           [](const ByteRange& r) { return r.size() == 0; }),
            out.end());
}

// Cuts every piece where `find` (piece -> matches in order) finds something.
template <class Find>
void cut_pieces(PreTokens& tokens, SplitBehaviour behaviour, bool invert, const Find& find) {
  std::vector<ByteRange> out, matches;
  std::vector<Cut> cuts;
  out.reserve(tokens.pieces.size());
  for (ByteRange piece : tokens.pieces) {
    matches.clear();
    find(piece, matches);
    cuts.clear();
    size_t done = piece.begin;
    for (ByteRange m : matches) {
      if (m.begin > done) cuts.push_back({{done, m.begin}, invert});
      cuts.push_back({m, !invert});
      done = m.end;
    }
    if (done < piece.end) cuts.push_back({{done, piece.end}, invert});
    join(cuts, behaviour, out);
  }
  tokens.pieces = std::move(out);
}

// The unit at byte `at` of text that is read so.
Unit read_unit(std::string_view text, size_t at, Reading reading) {
  if (reading == Reading::utf8) return unit_at(text, at);
  return {byte_level_character(static_cast<unsigned char>(text[at])), 1};
}

class Splitter : public PreTokenizer {
 public:
  Splitter(Pattern pattern, SplitBehaviour behaviour, bool invert)
      : rule_(word_rule(pattern.expression(), pattern.dialect())),
        pattern_(std::move(pattern)),
        behaviour_(behaviour),
        invert_(invert) {}
  void split(PreTokens& tokens) const override {
    cut_pieces(tokens, behaviour_, invert_, [&](ByteRange piece, std::vector<ByteRange>& matches) {
      pattern_.find_all(tokens.text.text(), piece, tokens.reading, matches);
    });
  }
  std::optional<WordSplit> words() const override {
    // The patterns that have a rule match everything: that what does not match is dropped or kept
    // says nothing, nor does inverting a removal.
    const bool cuts = (behaviour_ == SplitBehaviour::isolated && !invert_) ||
                      (behaviour_ == SplitBehaviour::removed && invert_);
    if (!rule_ || !cuts) return std::nullopt;
    return WordSplit{*rule_, &pattern_, false};
  }
  bool single_numbers() const override {
    return pattern_.expression() == R"(\p{N})" && behaviour_ == SplitBehaviour::isolated &&
           !invert_;
  }
  bool cuts_between(char32_t left, char32_t right) const override {
    const bool joins =
        behaviour_ != SplitBehaviour::isolated && behaviour_ != SplitBehaviour::removed;
    return !joins && pattern_.certain_border(left, right);
  }

 private:
  std::optional<WordRule> rule_;
  Pattern pattern_;
  SplitBehaviour behaviour_;
  bool invert_;
};

class ClassSplitter : public PreTokenizer {
 public:
  ClassSplitter(std::string_view set, SplitBehaviour behaviour)
      : set_(set),
        behaviour_(behaviour),
        single_numbers_(set == "numeric" && behaviour == SplitBehaviour::isolated),
        drops_space_(set == "bert_space" && behaviour == SplitBehaviour::removed),
        parts_marks_(set == "bert_punctuation" && behaviour == SplitBehaviour::isolated) {}
  bool drops_space() const override { return drops_space_; }
  bool parts_marks() const override { return parts_marks_; }
  bool single_numbers() const override { return single_numbers_; }
  bool cuts_between(char32_t left, char32_t right) const override {
    if (!cuts_by_neighbours()) return false;
    return behaviour_ == SplitBehaviour::contiguous ? set_[left] != set_[right]
                                                    : set_[left] || set_[right];
  }
  bool cuts_by_neighbours() const override {
    return behaviour_ != SplitBehaviour::merged_with_previous &&
           behaviour_ != SplitBehaviour::merged_with_next;
  }
  void split(PreTokens& tokens) const override {
    std::string_view text = tokens.text.text();
    cut_pieces(tokens, behaviour_, false, [&](ByteRange piece, std::vector<ByteRange>& matches) {
      std::string_view part = text.substr(0, piece.end);
      for (size_t i = piece.begin; i < piece.end;) {
        Unit u = read_unit(part, i, tokens.reading);
        if (set_[u.code]) matches.push_back({i, i + u.length});
        i += u.length;
      }
    });
  }

 private:
  CodeBitmap set_;
  SplitBehaviour behaviour_;
  bool single_numbers_, drops_space_, parts_marks_;
};

// Puts `prefix` in front of the pieces that `wants` it, and writes the text anew.
template <class Wants>
void prepend_to_pieces(PreTokens& tokens, std::string_view prefix, const Wants& wants) {
  if (std::none_of(tokens.pieces.begin(), tokens.pieces.end(), wants)) return;
  AlignedBuilder next(tokens.text);
  size_t size = 0;
  for (ByteRange& piece : tokens.pieces) {
    ByteRange now{size, size + piece.size()};
    if (wants(piece)) {
      next.put(prefix, {piece.begin, piece.begin});
      now.end += prefix.size();
    }
    next.keep(piece);
    size = now.end;
    piece = now;
  }
  tokens.text = next.finish();
}

class ByteLevel : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, bool pattern) : add_prefix_space_(add_prefix_space) {
    if (pattern) {
      pattern_ = std::make_unique<Splitter>(Pattern(kGpt2Pattern), SplitBehaviour::isolated, false);
    }
  }
  void split(PreTokens& tokens) const override {
    if (add_prefix_space_) {
      prepend_to_pieces(tokens, " ", [&](const ByteRange& piece) {
        return tokens.text.text()[piece.begin] != ' ';
      });
    }
    if (pattern_) pattern_->split(tokens);
    tokens.reading = Reading::byte_level;
  }
  bool accepts(Reading before) const override { return before == Reading::utf8; }
  Reading reading_after(Reading) const override { return Reading::byte_level; }
  bool only_reads_bytes() const override { return !add_prefix_space_ && !pattern_; }
  bool cuts_between(char32_t left, char32_t right) const override {
    return pattern_ && pattern_->cuts_between(left, right);
  }
  std::optional<WordSplit> words() const override {
    if (add_prefix_space_ || !pattern_) return std::nullopt;
    auto out = pattern_->words();
    if (out) out->by_bytes = true;
    return out;
  }

 private:
  bool add_prefix_space_;
  std::unique_ptr<Splitter> pattern_;
};

class WordSplitter : public PreTokenizer {
 public:
  bool accepts(Reading before) const override { return before == Reading::utf8; }
  bool cuts_between(char32_t left, char32_t right) const override {
    return kind_of(left) == kSpace || kind_of(left) != kind_of(right);
  }
  bool cuts_by_neighbours() const override { return true; }
  void split(PreTokens& tokens) const override {
    std::string_view text = tokens.text.text();
    cut_pieces(tokens, SplitBehaviour::removed, true,
               [&](ByteRange piece, std::vector<ByteRange>& matches) {
                 std::string_view part = text.substr(0, piece.end);
                 Kind previous = kSpace;
                 for (size_t i = piece.begin; i < piece.end;) {
                   Unit u = unit_at(part, i);
                   const Kind kind = kind_of(u.code);
                   if (kind != kSpace && kind == previous) {
                     matches.back().end = i + u.length;
                   } else if (kind != kSpace) {
                     matches.push_back({i, i + u.length});
                   }
                   previous = kind;
                   i += u.length;
                 }
               });
  }

 private:
  enum Kind : uint8_t { kSpace, kWord, kOther };
  static Kind kind_of(char32_t code) {
    static const CodeBitmap word("whitespace_word"), space("whitespace_space");
    return word[code] ? kWord : space[code] ? kSpace : kOther;
  }
};

class FixedLength : public PreTokenizer {
 public:
  explicit FixedLength(size_t length) : length_(length) {}
  void split(PreTokens& tokens) const override {
    std::vector<ByteRange> out;
    for (const ByteRange piece : tokens.pieces) {
      const std::string_view part = tokens.text.text().substr(0, piece.end);
      size_t units = 0;
      for (size_t i = piece.begin; i < piece.end;) {
        if (units++ % length_ == 0) out.push_back({i, i});
        i += read_unit(part, i, tokens.reading).length;
        out.back().end = i;
      }
    }
    tokens.pieces = std::move(out);
  }

 private:
  size_t length_;
};

class ScriptSplitter : public PreTokenizer {
 public:
  void split(PreTokens& tokens) const override {
    std::vector<ByteRange> out;
    for (const ByteRange piece : tokens.pieces) {
      const std::string_view part = tokens.text.text().substr(0, piece.end);
      uint8_t previous = 0;
      for (size_t i = piece.begin; i < piece.end;) {
        const Unit u = read_unit(part, i, tokens.reading);
        const uint8_t now = script_of(u.code);
        if (now != 0 && now != previous) {
          previous = now;
          out.push_back({i, i});
        }
        i += u.length;
        if (previous != 0) out.back().end = i;
      }
    }
    tokens.pieces = std::move(out);
  }

 private:
  static uint8_t script_of(char32_t code) {
    const auto table = unicode::scripts_table();
    auto it =
        std::upper_bound(table.begin(), table.end(), code,
                         [](char32_t c, const unicode::ClassRange& r) { return c < r.first; });
    return it != table.begin() && code <= std::prev(it)->last ? std::prev(it)->number : 0;
  }
};

class Metaspace : public PreTokenizer {
 public:
  explicit Metaspace(const MetaspaceOptions& options)
      : options_(options),
        space_(Pattern::literal(" ")),
        splitter_(Pattern::literal(options.replacement), SplitBehaviour::merged_with_next, false) {}
  bool accepts(Reading before) const override { return before == Reading::utf8; }
  void split(PreTokens& tokens) const override {
    replace_spaces(tokens);
    std::string_view mark = options_.replacement;
    prepend_to_pieces(tokens, mark, [&](const ByteRange& piece) {
      bool starts = tokens.text.text().substr(piece.begin, piece.size()).starts_with(mark);
      bool first = tokens.text.begin_of(piece.begin) == 0;
      return !starts && (options_.prepend == PrependScheme::always ||
                         (options_.prepend == PrependScheme::first && first));
    });
    if (options_.split) splitter_.split(tokens);
  }
  // A mark goes to what follows it, so that every one begins a piece.
  bool cuts_between(char32_t, char32_t right) const override {
    std::string text;
    append_unit(text, right);
    return options_.split && (right == ' ' || text == options_.replacement);
  }

 private:
  void replace_spaces(PreTokens& tokens) const {
    AlignedBuilder next(tokens.text);
    size_t size = 0;
    bool any = false;
    std::vector<ByteRange> matches;
    std::vector<ByteRange> pieces;
    for (ByteRange piece : tokens.pieces) {
      matches.clear();
      space_.find_all(tokens.text.text(), piece, Reading::utf8, matches);
      size_t done = piece.begin, begin = size;
      for (ByteRange m : matches) {
        next.keep({done, m.begin});
        next.put(options_.replacement, m);
        size += m.begin - done + options_.replacement.size();
        done = m.end;
        any = true;
      }
      next.keep({done, piece.end});
      size += piece.end - done;
      pieces.push_back({begin, size});
    }
    if (!any) return;
    tokens.text = next.finish();
    tokens.pieces = std::move(pieces);
  }

  MetaspaceOptions options_;
  Pattern space_;
  Splitter splitter_;
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> parts)
      : parts_(std::move(parts)) {}
  void split(PreTokens& tokens) const override {
    for (const auto& part : parts_) part->split(tokens);
  }
  bool accepts(Reading before) const override {
    for (const auto& part : parts_) {
      if (!part->accepts(before)) return false;
      before = part->reading_after(before);
    }
    return true;
  }
  Reading reading_after(Reading before) const override {
    for (const auto& part : parts_) before = part->reading_after(before);
    return before;
  }
  bool parts_words() const override {
    return parts_.size() == 2 && parts_[0]->drops_space() && parts_[1]->parts_marks();
  }
  // A later part's cut is certain only while the pieces it works on end where two neighbours say.
  bool cuts_between(char32_t left, char32_t right) const override {
    for (const auto& part : parts_) {
      if (part->cuts_between(left, right)) return true;
      if (!part->cuts_by_neighbours()) return false;
    }
    return false;
  }
  bool cuts_by_neighbours() const override {
    return std::all_of(parts_.begin(), parts_.end(),
                       [](const auto& part) { return part->cuts_by_neighbours(); });
  }
  // A known rule, behind a cut around each number and in front of reading by bytes.
  std::optional<WordSplit> words() const override {
    auto first = parts_.begin(), last = parts_.end();
    const bool by_bytes = parts_.size() > 1 && parts_.back()->only_reads_bytes();
    if (by_bytes) --last;
    const bool single_numbers = last - first == 2 && (*first)->single_numbers();
    if (single_numbers) ++first;
    if (last - first != 1) return std::nullopt;
    auto out = (*first)->words();
    if (!out) return std::nullopt;
    out->by_bytes = out->by_bytes || by_bytes;
    if (!single_numbers) return out;
    if (out->rule.kind != WordRule::Kind::gpt2) return std::nullopt;
    out->rule.digits = 1;
    return out;
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

}  // namespace

std::unique_ptr<PreTokenizer> splitter(Pattern pattern, SplitBehaviour behaviour, bool invert) {
  return std::make_unique<Splitter>(std::move(pattern), behaviour, invert);
}
std::unique_ptr<PreTokenizer> class_splitter(std::string_view set, SplitBehaviour behaviour) {
  return std::make_unique<ClassSplitter>(set, behaviour);
}
std::unique_ptr<PreTokenizer> byte_level(bool add_prefix_space, bool pattern) {
  return std::make_unique<ByteLevel>(add_prefix_space, pattern);
}
std::unique_ptr<PreTokenizer> word_splitter() { return std::make_unique<WordSplitter>(); }
std::unique_ptr<PreTokenizer> fixed_length(size_t length) {
  return std::make_unique<FixedLength>(length);
}
std::unique_ptr<PreTokenizer> script_splitter() { return std::make_unique<ScriptSplitter>(); }
std::unique_ptr<PreTokenizer> metaspace(const MetaspaceOptions& options) {
  return std::make_unique<Metaspace>(options);
}
std::unique_ptr<PreTokenizer> sequence(std::vector<std::unique_ptr<PreTokenizer>> parts) {
  return std::make_unique<PreTokenizerSequence>(std::move(parts));
}

}  // namespace tessera
