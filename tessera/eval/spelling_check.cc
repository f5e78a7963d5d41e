// The form of hunspell's files, looked at before the library reads them: it skips what it cannot
// read without a word. Format: the manual page hunspell(5).
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <iconv.h>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/eval/spelling.h"
#include "tessera/text/utf8.h"

namespace tessera {
namespace {

constexpr uintmax_t kLargest = uintmax_t{256} << 20;
constexpr size_t kLongestLine = 64 << 10;
constexpr int64_t kMostOfClass = 1000000;
constexpr std::string_view kBlank = " \t";

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    const size_t begin = line.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return out;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(kBlank), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

// -1: no whole number.
int64_t number_in(std::string_view text) {
  int64_t value = 0;
  const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault != std::errc() || stop != text.data() + text.size() || value < 0 ? -1 : value;
}

// Lines of a file, counted.
class CountedLines {
 public:
  explicit CountedLines(const std::string& path) : file_(path) {
    if (file_.bytes().size() > kLargest) {
      throw Error(
          path, fmt::format("is larger than the {} MB that a dictionary may have", kLargest >> 20));
    }
    rest_ = file_.text();
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
    if (rest_.empty()) throw Error(path, "is empty", "Copy the dictionary anew.");
  }
  bool next(std::string_view& line) {
    if (rest_.empty()) return false;
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number_;
    if (line.find('\0') != std::string_view::npos) fail("holds a byte 0");
    if (line.size() > kLongestLine) fail(fmt::format("has more than {} bytes", kLongestLine));
    return true;
  }
  std::string place() const { return fmt::format("{}: line {}", file_.path(), number_); }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(place(), what, "The file is damaged or no dictionary of hunspell: copy it anew.");
  }

 private:
  MappedFile file_;
  std::string_view rest_;
  int64_t number_ = 0;
};

enum class FlagKind { characters, utf8, pairs, numbers };

struct AffixFacts {
  FlagKind flags = FlagKind::characters;
  int64_t aliases = -1;  // of sets of flags; -1: none are used
};

bool well_formed(std::string_view flags, FlagKind kind) {
  switch (kind) {
    case FlagKind::characters:
      return true;
    case FlagKind::utf8:
      return is_utf8(flags);
    case FlagKind::pairs:
      return flags.size() % 2 == 0;
    case FlagKind::numbers:
      while (true) {
        const size_t end = std::min(flags.find(','), flags.size());
        const int64_t flag = number_in(flags.substr(0, end));
        if (flag < 0 || flag > 65535) return false;
        if (end == flags.size()) return true;
        flags.remove_prefix(end + 1);
      }
  }
  return false;
}

// What stands behind the first slash that is not escaped.
std::string_view flags_behind(std::string_view word) {
  for (size_t i = 1; i < word.size(); ++i) {
    if (word[i] == '/' && word[i - 1] != '\\') return word.substr(i + 1);
  }
  return {};
}

void check_flags(const CountedLines& lines, std::string_view flags, const AffixFacts& facts) {
  if (flags.empty()) return;
  if (facts.aliases >= 0) {
    const int64_t alias = number_in(flags);
    // Some dictionaries mix aliases and flags; a number is always an alias.
    if (alias > facts.aliases || alias == 0) {
      lines.fail(fmt::format("names the set of flags {}; there are {}", alias, facts.aliases));
    }
    if (alias > 0) return;
  }
  if (!well_formed(flags, facts.flags)) {
    lines.fail(fmt::format("has the flags \"{}\", which are not of the kind that FLAG names",
                           flags.substr(0, 40)));
  }
}

bool balanced(std::string_view condition) {
  bool open = false;
  for (const char c : condition) {
    if (c == '[' ? open : c == ']' && !open) return false;
    if (c == '[' || c == ']') open = c == '[';
  }
  return !open;
}

// A class of affixes that is being read.
struct AffixClass {
  std::string kind, flag;
  int64_t left = 0;
};

// Lines that belong together, the first of which says how many more there are.
struct Table {
  int64_t lines = 0, left = 0;
  std::string where;
};
constexpr std::string_view kTables[] = {
    "AF",    "AM",           "REP",   "MAP",   "PHONE",
    "BREAK", "COMPOUNDRULE", "ICONV", "OCONV", "CHECKCOMPOUNDPATTERN"};

class AffReader {
 public:
  explicit AffReader(const std::string& path) : lines_(path) {}

  AffixFacts read() {
    std::string_view line;
    while (lines_.next(line)) {
      const auto f = fields_of(line);
      if (f.empty() || f[0].starts_with('#')) continue;
      if (f[0] == "PFX" || f[0] == "SFX") {
        affix(f);
        continue;
      }
      if (class_.left > 0) cut_short();
      if (f[0] == "SET") encoding(f);
      if (f[0] == "FLAG") kind(f);
      if (std::find(std::begin(kTables), std::end(kTables), f[0]) != std::end(kTables)) table(f);
    }
    if (class_.left > 0) cut_short();
    for (const auto& [key, table] : tables_) {
      if (table.left > 0) {
        throw Error(table.where,
                    fmt::format("begins a table of {} lines; {} of them are missing", table.lines,
                                table.left),
                    "The file is damaged or no dictionary of hunspell: copy it anew.");
      }
    }
    return facts_;
  }

 private:
  [[noreturn]] void cut_short() const {
    lines_.fail(fmt::format("follows a class {} {} that lacks {} of its lines", class_.kind,
                            class_.flag, class_.left));
  }
  void encoding(const std::vector<std::string_view>& f) const {
    if (f.size() < 2) lines_.fail("is SET without an encoding");
    const iconv_t handle = iconv_open("UTF-8", std::string(f[1]).c_str());
    if (handle == reinterpret_cast<iconv_t>(-1)) {
      lines_.fail(fmt::format("names the encoding {}, which is not known", f[1].substr(0, 40)));
    }
    iconv_close(handle);
  }
  void kind(const std::vector<std::string_view>& f) {
    const std::string_view name = f.size() < 2 ? "" : f[1];
    if (name == "num") {
      facts_.flags = FlagKind::numbers;
    } else if (name == "long") {
      facts_.flags = FlagKind::pairs;
    } else if (name == "UTF-8") {
      facts_.flags = FlagKind::utf8;
    } else {
      lines_.fail(fmt::format("names the kind of flags \"{}\"; there are num, long, UTF-8",
                              name.substr(0, 40)));
    }
  }
  // The first line of a table says how many follow: the library makes room for them unseen.
  void table(const std::vector<std::string_view>& f) {
    const auto it = tables_.find(f[0]);
    if (it == tables_.end()) {
      const int64_t lines = f.size() < 2 ? -1 : number_in(f[1]);
      if (lines < 0 || lines > kMostOfClass) {
        lines_.fail(fmt::format("is the first {} and says no number of lines", f[0]));
      }
      tables_.emplace(std::string(f[0]), Table{lines, lines, lines_.place()});
      if (f[0] == "AF") facts_.aliases = lines;
      return;
    }
    if (f.size() < 2) lines_.fail(fmt::format("is {} and nothing else", f[0]));
    if (--it->second.left < 0) {
      lines_.fail(fmt::format("is one {} more than the {} that were said", f[0], it->second.lines));
    }
    if (f[0] == "AF" && !well_formed(f[1], facts_.flags)) {
      lines_.fail(fmt::format("has the flags \"{}\", which are not of the kind that FLAG names",
                              f[1].substr(0, 40)));
    }
  }
  void affix(const std::vector<std::string_view>& f) {
    if (f.size() < 4) lines_.fail(fmt::format("is {} with fewer than four fields", f[0]));
    if (!well_formed(f[1], facts_.flags) ||
        (facts_.flags == FlagKind::numbers && number_in(f[1]) < 0)) {
      lines_.fail(fmt::format("has the flag \"{}\", which is not of the kind that FLAG names",
                              f[1].substr(0, 40)));
    }
    if (class_.left == 0) {
      class_ = {std::string(f[0]), std::string(f[1]), number_in(f[3])};
      if ((f[2] != "Y" && f[2] != "N") || class_.left < 0 || class_.left > kMostOfClass) {
        lines_.fail(fmt::format("begins the class {} {} and says neither Y nor N and a number",
                                class_.kind, class_.flag));
      }
      if (!seen_.insert(class_.kind + class_.flag).second) {
        lines_.fail(fmt::format("begins the class {} {} a second time", class_.kind, class_.flag));
      }
      return;
    }
    if (f[0] != class_.kind || f[1] != class_.flag) cut_short();
    --class_.left;
    check_flags(lines_, flags_behind(f[3]), facts_);
    if (f.size() > 4 && !balanced(f[4])) {
      lines_.fail(
          fmt::format("has the condition {}, whose brackets do not match", f[4].substr(0, 40)));
    }
  }

  CountedLines lines_;
  AffixFacts facts_;
  AffixClass class_;
  std::set<std::string> seen_;
  std::map<std::string, Table, std::less<>> tables_;
};

void check_words(const std::string& path, const AffixFacts& facts) {
  CountedLines lines(path);
  std::string_view line;
  lines.next(line);
  const auto first = fields_of(line);
  const int64_t said = first.empty() ? -1 : number_in(first[0]);
  if (said < 0) lines.fail("says no number of words, which the first line of a .dic must");
  int64_t words = 0;
  while (lines.next(line)) {
    if (line.empty() || line.starts_with('#') || line.starts_with('\t')) continue;
    ++words;
    std::string_view flags = flags_behind(line);
    flags = flags.substr(0, flags.find_first_of(kBlank));
    check_flags(lines, flags, facts);
  }
  if (words == 0) throw Error(path, "holds no word", "Copy the dictionary anew.");
  if (said > 2 * words + 1000 || said < words / 2) {
    throw Error(path, fmt::format("says that it has {} words and has {}", said, words),
                "The file is damaged or cut short: copy it anew.");
  }
}

}  // namespace

void check_dictionary(const std::string& aff, const std::string& dic) {
  const AffixFacts facts = AffReader(aff).read();
  check_words(dic, facts);
}

}  // namespace tessera
