#include "tessera/tokenizer/pattern_parser.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "tessera/base/error.h"

namespace tessera {
namespace {

constexpr size_t kMaxDepth = 100;

bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

class Parser {
 public:
  Parser(std::string_view text, Dialect dialect) : text_(text), dialect_(dialect) {}

  ParsedPattern run() {
    alternatives(0);
    if (at_ < text_.size()) refuse("an unmatched )");
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error("column " + std::to_string(at_ + 1), what + " is not supported in a pattern");
  }

  bool more() const { return at_ < text_.size(); }
  char32_t peek() const { return unit_at(text_, at_).code; }
  char32_t next() {
    if (!more()) refuse("an end in the middle of something");
    Unit u = unit_at(text_, at_);
    at_ += u.length;
    return u.code;
  }
  bool accept(std::string_view s) {
    if (text_.substr(at_, s.size()) != s) return false;
    at_ += s.size();
    return true;
  }

  void syntax(std::string s) { out_.items.push_back({std::move(s), -1}); }
  void set(const CodeSet& s) {
    auto it = std::find(out_.sets.begin(), out_.sets.end(), s);
    auto index = static_cast<int>(it - out_.sets.begin());
    if (it == out_.sets.end()) out_.sets.push_back(s);
    out_.items.push_back({"", index});
  }

  static CodeSet named(std::string_view name) { return *find_code_set(name); }

  void alternatives(size_t depth) {
    if (depth > kMaxDepth) refuse("nesting this deep");
    while (more() && peek() != ')') {
      if (accept("|")) {
        syntax("|");
        last_literal_ = 0;
      } else {
        repeated(depth);
      }
    }
  }

  void repeated(size_t depth) {
    const size_t first = out_.items.size();
    bool repeatable = atom(depth);
    while (more()) {
      char32_t c = peek();
      std::string repeat;
      bool braces = c == '{';
      if (c == '*' || c == '+' || c == '?') {
        repeat = static_cast<char>(next());
      } else if (braces) {
        repeat = bounds();
        if (repeat.empty()) return;
      } else {
        return;
      }
      if (!repeatable) refuse("a repeat of nothing");
      // A second repeat applies to the first one as a whole; only after * + ? does a + make it
      // possessive, as in Ruby.
      if (accept("?")) {
        repeat += '?';
      } else if ((!braces || dialect_ == Dialect::rust) && accept("+")) {
        repeat += '+';
      }
      out_.items.insert(out_.items.begin() + static_cast<ptrdiff_t>(first), {"(?:", -1});
      syntax(")" + repeat);
      last_literal_ = 0;
    }
  }

  // "{2,5}"; empty when the brace is an ordinary character.
  std::string bounds() {
    size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) return "";
    std::string inside(text_.substr(at_ + 1, end - at_ - 1));
    size_t comma = inside.find(',');
    auto number = [](const std::string& s) {
      return s.size() <= 5 && std::all_of(s.begin(), s.end(), [](char c) { return is_digit(c); });
    };
    std::string low = inside.substr(0, comma);
    std::string high = comma == std::string::npos ? low : inside.substr(comma + 1);
    if (!number(low) || !number(high) || (low.empty() && high.empty())) return "";
    if (low.size() > 3 || high.size() > 3) refuse("a repeat of more than 999");
    at_ = end + 1;
    if (low.empty()) low = "0";
    return comma == std::string::npos ? "{" + low + "}" : "{" + low + "," + high + "}";
  }

  // Gives whether a repeat may follow.
  bool atom(size_t depth) {
    char32_t c = next();
    switch (c) {
      case '(':
        group(depth);
        last_literal_ = 0;
        return true;
      case '[':
        set(bracket());
        last_literal_ = 0;
        return true;
      case '.':
        set(~CodeSet::single('\n'));
        last_literal_ = 0;
        return true;
      case '^':
        if (dialect_ == Dialect::rust) {
          syntax("\\A");
        } else {
          before_line();
        }
        return false;
      case '$':
        if (dialect_ == Dialect::rust) {
          syntax("\\z");
          return false;
        }
        syntax("(?=\\z|");
        set(CodeSet::single('\n'));
        syntax(")");
        return false;
      case '\\':
        return escape();
      case '*':
      case '+':
      case '?':
        at_ -= 1;
        refuse("a repeat of nothing");
      default:
        literal(c);
        return true;
    }
  }

  void before_line() {
    syntax("(?:\\A|(?<=");
    set(CodeSet::single('\n'));
    syntax("))");
  }

  void literal(char32_t c) {
    if (!caseless_) return set(CodeSet::single(c));
    if (c >= 0x80) refuse("a character beyond ASCII that ignores case");
    set(folded(c));
    // Pairs that fold to one character (ss and U+00DF, ff and U+FB00 ..).
    auto low = static_cast<char>(c | 0x20);
    if (is_letter(c)) {
      static constexpr std::array<std::string_view, 6> pairs = {"ss", "ff", "fi", "fl", "st", "tt"};
      for (auto p : pairs) {
        if (last_literal_ == p[0] && low == p[1] && p != "tt") {
          refuse("\"" + std::string(p) + "\" that ignores case");
        }
      }
    }
    last_literal_ = is_letter(c) ? low : '\0';
  }

  static CodeSet folded(char32_t c) {
    if (!is_letter(c)) return CodeSet::single(c);
    CodeSet both({{c | 0x20, c | 0x20}, {c & ~0x20U, c & ~0x20U}});
    if ((c | 0x20) == 's') return both | CodeSet::single(0x17F);
    if ((c | 0x20) == 'k') return both | CodeSet::single(0x212A);
    return both;
  }

  void group(size_t depth) {
    bool saved = caseless_;
    if (accept("?")) {
      static constexpr std::array<std::string_view, 6> plain = {":", "=", "!", "<=", "<!", ">"};
      auto it = std::find_if(plain.begin(), plain.end(), [&](auto p) { return accept(p); });
      if (it != plain.end()) {
        syntax("(?" + std::string(*it));
      } else if (accept("i:")) {
        caseless_ = true;
        syntax("(?:");
      } else if (accept("-i:")) {
        caseless_ = false;
        syntax("(?:");
      } else {
        refuse("this kind of group");
      }
    } else {
      syntax("(?:");
    }
    last_literal_ = 0;
    alternatives(depth + 1);
    if (!accept(")")) refuse("a group without end");
    syntax(")");
    caseless_ = saved;
  }

  // A class escape after the backslash, such as s or p{L}.
  std::optional<CodeSet> class_escape(char32_t c) {
    if (dialect_ == Dialect::rust && (c == 'w' || c == 'W' || c == 'h' || c == 'H')) return {};
    switch (c) {
      case 's':
        return named("space");
      case 'S':
        return ~named("space");
      case 'd':
        return named("Nd");
      case 'D':
        return ~named("Nd");
      case 'w':
        return named("word");
      case 'W':
        return ~named("word");
      case 'h':
        return CodeSet({{'0', '9'}, {'a', 'f'}, {'A', 'F'}});
      case 'H':
        return ~CodeSet({{'0', '9'}, {'a', 'f'}, {'A', 'F'}});
      case 'p':
      case 'P':
        return property(c == 'P');
      default:
        return std::nullopt;
    }
  }

  CodeSet property(bool negated) {
    if (!accept("{")) refuse("\\p without {");
    if (accept("^")) negated = !negated;
    size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) refuse("\\p{ without }");
    std::string name(text_.substr(at_, end - at_));
    static const std::map<std::string, std::string, std::less<>> longer = {
        {"Letter", "L"}, {"Number", "N"}, {"Punctuation", "P"}, {"Mark", "M"}, {"Symbol", "S"}};
    if (auto it = longer.find(name); it != longer.end()) name = it->second;
    // Names in lower case are classes of single rules, not properties.
    bool property_name = !name.empty() && name[0] >= 'A' && name[0] <= 'Z';
    auto found = property_name ? find_code_set(name) : nullptr;
    if (!found) refuse("\\p{" + name + "}");
    at_ = end + 1;
    return negated ? ~*found : *found;
  }

  // An escaped single character, in or outside brackets.
  char32_t character_escape(char32_t c) {
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case 'a':
        return '\a';
      case 'e':
        return 0x1B;
      case 'x':
      case 'u':
        return hexadecimal(c);
      default:
        break;
    }
    if (is_letter(c) || is_digit(c)) refuse(std::string("\\") + static_cast<char>(c));
    return c;
  }

  char32_t hexadecimal(char32_t kind) {
    bool braces = kind == 'x' && accept("{");
    size_t most = braces ? 6 : kind == 'u' ? 4 : 2;
    char32_t value = 0;
    size_t digits = 0;
    for (; digits < most && more(); ++digits) {
      char32_t d = peek(), low = d | 0x20;
      if (!is_digit(d) && !(low >= 'a' && low <= 'f')) break;
      value = value * 16 + (is_digit(d) ? d - '0' : low - 'a' + 10);
      next();
    }
    if (digits == 0 || (braces && !accept("}")) || value >= kInvalidByte) refuse("this code");
    return value;
  }

  bool escape() {
    char32_t c = next();
    if (auto s = class_escape(c)) {
      set(*s);
      last_literal_ = 0;
      return true;
    }
    switch (c) {
      case 'A':
        syntax("\\A");
        return false;
      case 'z':
        syntax("\\z");
        return false;
      case 'Z':
        syntax("(?=");
        set(CodeSet::single('\n'));
        syntax("?\\z)");
        return false;
      case 'b':
      case 'B':
        if (dialect_ == Dialect::rust) refuse("\\b");
        word_edge(c == 'b');
        return false;
      default:
        literal(character_escape(c));
        return true;
    }
  }

  void word_edge(bool edge) {
    auto word = [&](const char* look) {
      syntax(look);
      set(named("word"));
      syntax(")");
    };
    syntax("(?:");
    word("(?<=");
    word(edge ? "(?!" : "(?=");
    syntax("|");
    word("(?<!");
    word(edge ? "(?=" : "(?!");
    syntax(")");
  }

  CodeSet bracket() {
    bool negated = accept("^");
    CodeSet all;
    bool first = true;
    while (true) {
      if (!more()) refuse("[ without ]");
      if (!first && accept("]")) break;
      first = false;
      if (text_.substr(at_, 2) == "&&") refuse("&& in a class");
      if (peek() == '[') refuse(text_.substr(at_, 2) == "[:" ? "[: in a class" : "[ in a class");
      char32_t low = 0;
      if (auto s = member(low)) {
        all = all | *s;
        continue;
      }
      char32_t high = low;
      if (text_.substr(at_, 1) == "-" && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        next();
        if (member(high)) refuse("a range that ends in a class");
        if (high < low) refuse("a range that runs backwards");
      }
      if (!caseless_) {
        all = all | CodeSet({{low, high}});
      } else {
        if (high >= 0x80) refuse("a character beyond ASCII that ignores case");
        for (char32_t c = low; c <= high; ++c) all = all | folded(c);
      }
    }
    return negated ? ~all : all;
  }

  // One member of a class: a set, or the character given in `c`.
  std::optional<CodeSet> member(char32_t& c) {
    c = next();
    if (c != '\\') return std::nullopt;
    c = next();
    if (auto s = class_escape(c)) return s;
    c = c == 'b' ? char32_t{8} : character_escape(c);
    return std::nullopt;
  }

  std::string_view text_;
  Dialect dialect_;
  size_t at_ = 0;
  bool caseless_ = false;
  char last_literal_ = 0;
  ParsedPattern out_;
};

}  // namespace

ParsedPattern parse_pattern(std::string_view expression, Dialect dialect) {
  return Parser(expression, dialect).run();
}

ParsedPattern parse_literal(std::string_view text) {
  ParsedPattern out;
  std::map<char32_t, int> seen;
  for (size_t i = 0; i < text.size();) {
    Unit u = unit_at(text, i);
    i += u.length;
    auto [it, fresh] = seen.emplace(u.code, static_cast<int>(out.sets.size()));
    if (fresh) out.sets.push_back(CodeSet::single(u.code));
    out.items.push_back({"", it->second});
  }
  return out;
}

CodeClasses classes_of(const std::vector<CodeSet>& sets) {
  std::vector<std::pair<char32_t, size_t>> edges;  // where membership in a set flips
  for (size_t s = 0; s < sets.size(); ++s) {
    for (const auto& r : sets[s].ranges()) {
      edges.emplace_back(r.first, s);
      edges.emplace_back(r.last + 1, s);
    }
  }
  std::sort(edges.begin(), edges.end());
  CodeClasses out;
  out.sets.resize(sets.size());
  std::map<std::vector<bool>, uint8_t> numbers;
  std::vector<bool> member(sets.size());
  size_t e = 0;
  for (char32_t at = 0; at < kCodeEnd;) {
    for (; e < edges.size() && edges[e].first == at; ++e) {
      member[edges[e].second] = !member[edges[e].second];
    }
    if (numbers.size() == 256 && !numbers.contains(member)) {
      throw Error("", "the pattern tells more than 256 classes of characters apart",
                  "Split it into several patterns.");
    }
    auto [it, fresh] = numbers.emplace(member, static_cast<uint8_t>(numbers.size()));
    if (fresh) {
      for (size_t s = 0; s < sets.size(); ++s) {
        if (member[s]) out.sets[s] += static_cast<char>(it->second);
      }
    }
    out.runs.push_back({at, it->second});
    at = e < edges.size() ? edges[e].first : kCodeEnd;
  }
  return out;
}

std::string expression_of(const ParsedPattern& pattern, const CodeClasses& classes) {
  std::string out;
  for (const auto& item : pattern.items) {
    if (item.set < 0) {
      out += item.syntax;
      continue;
    }
    const std::string& members = classes.sets[static_cast<size_t>(item.set)];
    if (members.empty()) {
      out += "(?!)";
      continue;
    }
    out += '[';
    for (char c : members) {
      constexpr char kHex[] = "0123456789ABCDEF";
      auto byte = static_cast<unsigned char>(c);
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
    out += ']';
  }
  return out;
}

}  // namespace tessera
