#include "tessera/tokenizer/pattern_borders.h"

#include <string_view>
#include <utility>

namespace tessera {

// Reads the items of a parsed pattern by recursive descent; the parser has bounded the depth.
class PatternBordersReader {
 public:
  PatternBordersReader(const ParsedPattern& pattern, const CodeClasses& classes)
      : pattern_(pattern), classes_(classes) {}

  std::unique_ptr<const PatternBorders> run() {
    const Node top = alternatives();
    if (!known_ || at_ < pattern_.items.size() || top.may_be_empty) return nullptr;
    out_->alone_ = top.alone;
    return std::move(out_);
  }

 private:
  using Set = PatternBorders::Set;

  // Supersets: what may stand first and last in a match, whether it may be empty. Subsets: what is
  // matched alone, and the next characters in front of which it surely matches nothing.
  struct Node {
    Set first, last;
    bool may_be_empty = true;
    Set alone;
    Set skips = Set().set();
    bool completes = true;  // it matches at every place, be it nothing
  };

  bool is_syntax(std::string_view text) const {
    return at_ < pattern_.items.size() && pattern_.items[at_].set < 0 &&
           pattern_.items[at_].syntax == text;
  }
  bool at_close() const {
    return at_ < pattern_.items.size() && pattern_.items[at_].set < 0 &&
           pattern_.items[at_].syntax.starts_with(')');
  }

  Node alternatives() {
    Node out = branch();
    while (is_syntax("|")) {
      ++at_;
      const Node next = branch();
      out.first |= next.first;
      out.last |= next.last;
      out.may_be_empty = out.may_be_empty || next.may_be_empty;
      out.alone |= next.alone;
      out.skips |= next.skips;
      out.completes = out.completes || next.completes;
    }
    return out;
  }

  Node branch() {
    Node out;
    while (known_ && at_ < pattern_.items.size() && !is_syntax("|") && !at_close()) {
      out = joined(out, part());
    }
    return out;
  }

  Node joined(const Node& a, const Node& b) {
    follow(a.last, b.first);
    Node out;
    out.first = a.may_be_empty ? a.first | b.first : a.first;
    out.last = b.may_be_empty ? a.last | b.last : b.last;
    out.may_be_empty = a.may_be_empty && b.may_be_empty;
    out.alone = a.skips & b.alone;
    if (b.completes) out.alone |= a.alone;
    out.skips = a.skips & b.skips;
    out.completes = a.completes && b.completes;
    return out;
  }

  void follow(const Set& left, const Set& right) {
    for (size_t c = 0; c < left.size(); ++c) {
      if (left[c]) out_->together_[c] |= right;
    }
  }

  Node part() {
    const ParsedPattern::Item& item = pattern_.items[at_++];
    if (item.set >= 0) {
      Node out;
      for (char c : classes_.sets[static_cast<size_t>(item.set)]) {
        out.first.set(static_cast<unsigned char>(c));
      }
      out.last = out.alone = out.first;
      out.may_be_empty = out.completes = false;
      out.skips.reset();
      return out;
    }
    const std::string_view opening = item.syntax;
    const bool looks = opening == "(?=" || opening == "(?!";
    if (!looks && opening != "(?:" && opening != "(?>") {
      known_ = false;
      return {};
    }
    Node out = alternatives();
    if (!at_close()) {
      known_ = false;
      return {};
    }
    const std::string_view repeat = std::string_view(pattern_.items[at_++].syntax).substr(1);
    if (looks) return looking(repeat);
    if (opening == "(?>") out.skips &= ~out.first;
    return repeated(out, repeat);
  }

  // The characters looked at count as if they were matched, and whether there is one counts too.
  Node looking(std::string_view repeat) {
    if (!repeat.empty()) known_ = false;
    Node out;
    out.first.set();
    out.skips.reset();
    out.completes = false;
    return out;
  }

  Node repeated(Node inner, std::string_view repeat) {
    if (repeat.empty()) return inner;
    const bool possessive = repeat.size() > 1 && repeat.ends_with('+');
    size_t least = 0;
    bool at_most_once = false, at_least_once_allowed = true;
    if (repeat[0] == '{') {
      size_t i = 1;
      for (; i < repeat.size() && repeat[i] >= '0' && repeat[i] <= '9'; ++i) {
        least = least * 10 + static_cast<size_t>(repeat[i] - '0');
      }
      const std::string_view rest = repeat.substr(i);
      at_most_once = (rest.starts_with('}') && least <= 1) || rest.starts_with(",1}");
      at_least_once_allowed = !(rest.starts_with('}') && least == 0) && !rest.starts_with(",0}");
    } else {
      least = repeat[0] == '+' ? 1 : 0;
      at_most_once = repeat[0] == '?';
    }
    if (!at_most_once) follow(inner.last, inner.first);
    if (least == 0) {
      inner.may_be_empty = inner.completes = true;
      inner.skips = possessive ? ~inner.first : Set().set();
    } else if (possessive) {
      inner.skips &= ~inner.first;
    }
    if (least > 1 || !at_least_once_allowed) inner.alone.reset();
    return inner;
  }

  const ParsedPattern& pattern_;
  const CodeClasses& classes_;
  size_t at_ = 0;
  bool known_ = true;
  std::unique_ptr<PatternBorders> out_ = std::make_unique<PatternBorders>();
};

std::unique_ptr<const PatternBorders> PatternBorders::of(const ParsedPattern& pattern,
                                                         const CodeClasses& classes) {
  return PatternBordersReader(pattern, classes).run();
}

}  // namespace tessera
