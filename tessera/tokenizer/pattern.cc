#include "tessera/tokenizer/pattern.h"

#include <array>
#include <mutex>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/tokenizer/pattern_borders.h"
#include "tessera/tokenizer/pattern_parser.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace tessera {
namespace {

struct ByteAlphabet {
  std::array<char32_t, 256> characters{};
  std::array<int16_t, 0x144> bytes{};
  ByteAlphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      char32_t c = printable ? static_cast<char32_t>(b) : next++;
      characters[static_cast<size_t>(b)] = c;
      bytes[c] = static_cast<int16_t>(b);
    }
  }
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet table;
  return table;
}

struct FreeMatchData {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};

// Room for the ends of one match, kept for the thread's next search.
pcre2_match_data* match_data() {
  thread_local std::unique_ptr<pcre2_match_data, FreeMatchData> data(
      pcre2_match_data_create(1, nullptr));
  return data.get();
}

// Whether both dialects read the expression alike: it has no ends of lines or texts.
bool means_the_same(std::string_view expression) {
  for (size_t i = 0; i < expression.size(); ++i) {
    if (expression[i] == '$') return false;
    if (expression[i] == '^' && (i == 0 || expression[i - 1] != '[')) return false;
    if (expression[i] == '}' && expression.substr(i + 1).starts_with('+')) return false;
  }
  return true;
}

constexpr char32_t kPage = 128;

}  // namespace

char32_t byte_level_character(unsigned char byte) { return alphabet().characters[byte]; }

int byte_level_byte(char32_t code) {
  return code < alphabet().bytes.size() ? alphabet().bytes[code] : -1;
}

struct Pattern::Compiled {
  struct Free {
    void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  };
  std::unique_ptr<pcre2_code, Free> code;
  bool just_in_time = false;
  std::string expression, literal;
  Dialect dialect = Dialect::oniguruma;
  std::once_flag borders_once;
  std::unique_ptr<const PatternBorders> borders;  // null: nothing is known
  std::array<uint8_t, 256> ascii{}, byte_level{};
  std::vector<uint16_t> page_of;  // of 128 units
  std::vector<uint8_t> pages;

  uint8_t class_of(char32_t c) const { return pages[page_of[c / kPage] * kPage + c % kPage]; }

  explicit Compiled(const ParsedPattern& parsed) {
    CodeClasses classes = classes_of(parsed.sets);
    lay_out(classes);
    for (unsigned b = 0; b < 256; ++b) {
      ascii[b] = class_of(b < 0x80 ? b : kInvalidByte + b);
      byte_level[b] = class_of(byte_level_character(static_cast<unsigned char>(b)));
    }
    std::string rewritten = expression_of(parsed, classes);
    int error = 0;
    PCRE2_SIZE offset = 0;
    code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(rewritten.data()), rewritten.size(),
                             PCRE2_DOTALL | PCRE2_NEVER_UTF, &error, &offset, nullptr));
    if (!code) {
      std::array<PCRE2_UCHAR, 200> message{};
      pcre2_get_error_message(error, message.data(), message.size());
      throw Error("", std::string("the pattern is refused by PCRE2: ") +
                          reinterpret_cast<const char*>(message.data()));
    }
    just_in_time = pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE) == 0;
  }

  // Pages of equal content are stored once.
  void lay_out(const CodeClasses& classes) {
    page_of.resize((kCodeEnd + kPage - 1) / kPage);
    std::array<int, 256> uniform{};
    uniform.fill(-1);
    size_t run = 0;
    for (size_t p = 0; p < page_of.size(); ++p) {
      auto first = static_cast<char32_t>(p) * kPage;
      auto end_of_run = [&] {
        return run + 1 < classes.runs.size() ? classes.runs[run + 1].first : kCodeEnd;
      };
      while (end_of_run() <= first) ++run;
      const auto page = static_cast<uint16_t>(pages.size() / kPage);
      if (end_of_run() >= first + kPage) {
        uint8_t number = classes.runs[run].number;
        if (uniform[number] < 0) {
          uniform[number] = page;
          pages.insert(pages.end(), kPage, number);
        }
        page_of[p] = static_cast<uint16_t>(uniform[number]);
        continue;
      }
      page_of[p] = page;
      for (char32_t c = first; c < first + kPage; ++c) {
        while (c < kCodeEnd && end_of_run() <= c) ++run;
        pages.push_back(classes.runs[run].number);
      }
    }
  }

  // One match from `at`; false when there is none.
  bool match(const std::string& classes, size_t at, size_t& begin, size_t& end) const {
    pcre2_match_data* data = match_data();
    if (!data) throw Error("", "there is no memory for a pattern's match");
    auto subject = reinterpret_cast<PCRE2_SPTR>(classes.data());
    int found = PCRE2_ERROR_JIT_STACKLIMIT;
    if (just_in_time) {
      found = pcre2_jit_match(code.get(), subject, classes.size(), at, 0, data, nullptr);
    }
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(code.get(), subject, classes.size(), at, PCRE2_NO_JIT, data, nullptr);
    }
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0) {
      throw Error("", "the pattern needs too many steps or too much memory on this text",
                  "Cut the text into lines.");
    }
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
    begin = ends[0];
    end = ends[1];
    return true;
  }
};

Pattern::Pattern() = default;
Pattern::Pattern(std::string_view expression, Dialect dialect)
    : compiled_(std::make_unique<Compiled>(parse_pattern(expression, dialect))) {
  compiled_->expression = expression;
  compiled_->dialect = means_the_same(expression) ? Dialect::oniguruma : dialect;
}
Pattern Pattern::literal(std::string_view text) {
  Pattern out;
  out.compiled_ = std::make_unique<Compiled>(parse_literal(text));
  out.compiled_->literal = text;
  return out;
}
bool Pattern::certain_border(char32_t left, char32_t right) const {
  Compiled& c = *compiled_;
  std::call_once(c.borders_once, [&c] {
    if (c.expression.empty() || c.dialect != Dialect::oniguruma) return;
    const ParsedPattern parsed = parse_pattern(c.expression, c.dialect);
    c.borders = PatternBorders::of(parsed, classes_of(parsed.sets));
  });
  return c.borders && c.borders->certain(c.class_of(left), c.class_of(right));
}
std::string_view Pattern::expression() const { return compiled_->expression; }
Dialect Pattern::dialect() const { return compiled_->dialect; }
std::string_view Pattern::literal_text() const { return compiled_->literal; }
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

void Pattern::find_all(std::string_view text, ByteRange part, Reading reading,
                       std::vector<ByteRange>& matches) const {
  std::string_view bytes = text.substr(part.begin, part.size());
  thread_local std::string classes;
  classes.resize(bytes.size());
  size_t count = 0;
  bool wide = false;
  if (reading == Reading::byte_level) {
    for (char c : bytes) {
      classes[count++] = static_cast<char>(compiled_->byte_level[static_cast<unsigned char>(c)]);
    }
  } else {
    for (size_t i = 0; i < bytes.size();) {
      auto lead = static_cast<unsigned char>(bytes[i]);
      if (lead < 0x80) {
        classes[count++] = static_cast<char>(compiled_->ascii[lead]);
        ++i;
        continue;
      }
      Unit u = unit_at(bytes, i);
      wide = wide || u.length > 1;
      classes[count++] = static_cast<char>(compiled_->class_of(u.code));
      i += u.length;
    }
    classes.resize(count);
  }
  // `byte` is where unit number `unit` begins.
  size_t unit = 0, byte = 0;
  auto advance = [&](size_t to) {
    if (!wide) {
      byte += to - unit;
    } else {
      for (size_t n = to - unit; n > 0; --n) {
        byte += static_cast<unsigned char>(bytes[byte]) < 0x80 ? 1 : unit_at(bytes, byte).length;
      }
    }
    unit = to;
    return part.begin + byte;
  };
  size_t at = 0, begin = 0, end = 0;
  while (at <= count && compiled_->match(classes, at, begin, end)) {
    size_t from = advance(begin);
    size_t to = advance(end);
    matches.push_back({from, to});
    at = end > begin ? end : end + 1;
  }
  // A single huge text must not keep its memory for ever.
  if (classes.capacity() > (1 << 20)) std::string().swap(classes);
}

}  // namespace tessera
