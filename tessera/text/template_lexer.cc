#include <cctype>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/text/template_ast.h"

namespace tessera::templates {
namespace {

bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_begin(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

void append_utf8(std::string& out, uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += {static_cast<char>(0xc0 | point >> 6), static_cast<char>(0x80 | (point & 0x3f))};
  } else if (point < 0x10000) {
    out += {static_cast<char>(0xe0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 0x3f)),
            static_cast<char>(0x80 | (point & 0x3f))};
  } else {
    out += {static_cast<char>(0xf0 | point >> 18), static_cast<char>(0x80 | (point >> 12 & 0x3f)),
            static_cast<char>(0x80 | (point >> 6 & 0x3f)), static_cast<char>(0x80 | (point & 0x3f))};
  }
}

class Lexer {
 public:
  Lexer(std::string_view source, const std::string& name) : name_(name) {
    // As Jinja: one kind of line end, and no line end at the very end.
    for (size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r') {
        source_ += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        source_ += source[i];
      }
    }
    if (!source_.empty() && source_.back() == '\n') source_.pop_back();
  }

  std::vector<Lexeme> run() {
    while (at_ < source_.size()) text();
    out_.push_back({Token::end, here(), ""});
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& what, Place place) const {
    throw Error(place_text(name_, place), what);
  }

  Place here() {
    // Places are asked for in rising order.
    for (; counted_ < at_; ++counted_) {
      if (source_[counted_] == '\n') {
        ++place_.line;
        place_.column = 1;
      } else if ((static_cast<unsigned char>(source_[counted_]) & 0xc0) != 0x80) {
        ++place_.column;
      }
    }
    return place_;
  }

  bool see(std::string_view what) const { return std::string_view(source_).substr(at_).starts_with(what); }

  // Text up to the next tag, then the tag.
  void text() {
    size_t begin = at_;
    bool starts_line = starts_line_;
    size_t tag = begin;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        tag = std::string::npos;
        break;
      }
      char kind = source_[tag + 1];
      if (kind == '{' || kind == '%' || kind == '#') break;
    }
    if (tag == std::string::npos) {
      push_text(begin, source_.size());
      at_ = source_.size();
      return;
    }
    char kind = source_[tag + 1];
    char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    size_t end = tag;
    if (sign == '-') {
      while (end > begin && space(source_[end - 1])) --end;
    } else if (sign != '+' && kind != '{') {
      size_t blank = end;
      while (blank > begin && space(source_[blank - 1]) && source_[blank - 1] != '\n') --blank;
      bool line = blank > begin ? source_[blank - 1] == '\n' : starts_line;
      if (line) end = blank;
    }
    push_text(begin, end);
    at_ = tag;
    Place opened = here();
    at_ += sign == '-' || (sign == '+' && kind != '{') ? 3 : 2;
    if (kind == '#') return comment(opened);
    if (kind == '%' && raw(opened)) return;
    out_.push_back({kind == '{' ? Token::print_begin : Token::block_begin, opened, ""});
    inside(kind == '{' ? '}' : '%', opened);
  }

  void push_text(size_t begin, size_t end) {
    if (begin < end) out_.push_back({Token::text, here(), source_.substr(begin, end - begin)});
  }

  void comment(Place opened) {
    size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail("the comment is not closed by #}", opened);
    char sign = end > at_ ? source_[end - 1] : ' ';
    at_ = end + 2;
    after_tag(sign, true);
  }

  // What a tag's end takes with it.
  void after_tag(char sign, bool trims_line) {
    starts_line_ = false;
    if (sign == '-') {
      while (at_ < source_.size() && space(source_[at_])) {
        starts_line_ = source_[at_] == '\n';
        ++at_;
      }
    } else if (trims_line && sign != '+' && at_ < source_.size() && source_[at_] == '\n') {
      ++at_;
      starts_line_ = true;
    }
  }

  // {% raw %} ... {% endraw %}: true when it was one.
  bool raw(Place opened) {
    size_t i = at_;
    auto skip = [&] {
      while (i < source_.size() && space(source_[i])) ++i;
    };
    auto take = [&](std::string_view word) {
      if (!std::string_view(source_).substr(i).starts_with(word)) return false;
      i += word.size();
      return true;
    };
    skip();
    if (!take("raw")) return false;
    skip();
    char sign = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : ' ';
    if (!take("%}")) return false;
    at_ = i;
    after_tag(sign, true);
    size_t begin = at_;
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 1)) {
      i = tag + 2;
      char before = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : ' ';
      skip();
      if (!take("endraw")) continue;
      skip();
      char after = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : ' ';
      if (!take("%}")) continue;
      size_t end = tag;
      if (before == '-') {
        while (end > begin && space(source_[end - 1])) --end;
      } else if (before != '+') {
        size_t blank = end;
        while (blank > begin && space(source_[blank - 1]) && source_[blank - 1] != '\n') --blank;
        if (blank > begin && source_[blank - 1] == '\n') end = blank;
      }
      push_text(begin, end);
      at_ = i;
      after_tag(after, true);
      return true;
    }
    fail("{% raw %} is not closed by {% endraw %}", opened);
  }

  // The lexemes of a tag, and its end.
  void inside(char close, Place opened) {
    int open = 0;  // brackets: }} may close two maps
    while (true) {
      while (at_ < source_.size() && space(source_[at_])) ++at_;
      if (at_ >= source_.size()) fail("the tag is not closed", opened);
      char c = source_[at_];
      if (open == 0) {
        size_t sign = c == '-' || c == '+' ? 1 : 0;
        if (at_ + sign + 1 < source_.size() && source_[at_ + sign] == close &&
            source_[at_ + sign + 1] == '}') {
          out_.push_back({close == '}' ? Token::print_end : Token::block_end, here(), ""});
          at_ += sign + 2;
          after_tag(sign ? c : ' ', close == '%');
          return;
        }
      }
      if (name_begin(c)) {
        size_t begin = at_;
        Place place = here();
        while (at_ < source_.size() && (name_begin(source_[at_]) || digit(source_[at_]))) ++at_;
        out_.push_back({Token::name, place, source_.substr(begin, at_ - begin)});
      } else if (digit(c)) {
        number();
      } else if (c == '"' || c == '\'') {
        string(c);
      } else {
        open += c == '(' || c == '[' || c == '{';
        if ((c == ')' || c == ']' || c == '}') && open > 0) --open;
        sign();
      }
    }
  }

  void sign() {
    constexpr std::string_view signs[] = {"//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%",
                                          "~",  "<",  ">",  "=",  ".",  ",",  ":", "|", "(", ")", "[",
                                          "]",  "{",  "}"};
    Place place = here();
    for (std::string_view s : signs) {
      if (!see(s)) continue;
      out_.push_back({Token::sign, place, std::string(s)});
      at_ += s.size();
      return;
    }
    fail(std::string("unexpected '") + source_[at_] + "'", place);
  }

  void number() {
    Place place = here();
    size_t begin = at_;
    bool real = false;
    auto digits = [&] {
      while (at_ < source_.size() && (digit(source_[at_]) || source_[at_] == '_')) ++at_;
    };
    digits();
    if (at_ + 1 < source_.size() && source_[at_] == '.' && digit(source_[at_ + 1])) {
      real = true;
      ++at_;
      digits();
    }
    if (at_ < source_.size() && (source_[at_] == 'e' || source_[at_] == 'E')) {
      size_t i = at_ + 1;
      if (i < source_.size() && (source_[i] == '+' || source_[i] == '-')) ++i;
      if (i < source_.size() && digit(source_[i])) {
        real = true;
        at_ = i;
        digits();
      }
    }
    std::string text = source_.substr(begin, at_ - begin);
    std::erase(text, '_');
    out_.push_back({real ? Token::real : Token::integer, place, text});
  }

  void string(char quote) {
    Place place = here();
    std::string text;
    auto hex = [&](int count) {
      uint32_t point = 0;
      for (int i = 0; i < count; ++i) {
        ++at_;
        if (at_ >= source_.size() || !std::isxdigit(static_cast<unsigned char>(source_[at_]))) {
          fail("an escape in the string is cut short", place);
        }
        char c = source_[at_];
        point = point << 4 | static_cast<uint32_t>(digit(c) ? c - '0' : (c | 32) - 'a' + 10);
      }
      if (point > 0x10ffff) fail("an escape in the string is no character", place);
      append_utf8(text, point);
    };
    for (++at_;; ++at_) {
      if (at_ >= source_.size()) fail("the string is not closed", place);
      char c = source_[at_];
      if (c == quote) break;
      if (c != '\\' || at_ + 1 >= source_.size()) {
        text += c;
        continue;
      }
      char escape = source_[++at_];
      switch (escape) {
        case 'n': text += '\n'; break;
        case 't': text += '\t'; break;
        case 'r': text += '\r'; break;
        case 'a': text += '\a'; break;
        case 'b': text += '\b'; break;
        case 'f': text += '\f'; break;
        case 'v': text += '\v'; break;
        case '0': text += '\0'; break;
        case '\n': break;
        case '\\': case '\'': case '"': text += escape; break;
        case 'x': hex(2); break;
        case 'u': hex(4); break;
        case 'U': hex(8); break;
        default: text += {'\\', escape};
      }
    }
    ++at_;
    out_.push_back({Token::string, place, std::move(text)});
  }

  const std::string& name_;
  std::string source_;
  std::vector<Lexeme> out_;
  size_t at_ = 0, counted_ = 0;
  Place place_;
  bool starts_line_ = true;
};

}  // namespace

std::vector<Lexeme> split(std::string_view source, const std::string& name) {
  return Lexer(source, name).run();
}

}  // namespace tessera::templates
