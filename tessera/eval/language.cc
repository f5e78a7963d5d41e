#include "tessera/eval/language.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/text/corpus.h"
#include "tessera/text/normalise.h"
#include "tessera/text/utf8.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

using Classes = std::unordered_map<char, std::vector<std::string>>;

constexpr size_t kMostSurfaces = 10000, kMostAffixes = 200000, kMostRoots = 10000000,
                 kLongestPattern = 100;
constexpr std::string_view kBlank = " \t";

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> out;
  while (true) {
    const size_t begin = line.find_first_not_of(kBlank);
    if (begin == std::string_view::npos || line[begin] == '#') return out;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(kBlank), line.size());
    out.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::string beside(const std::string& where, const std::string& name) {
  const fs::path path(name);
  return path.is_absolute() ? name : (fs::path(where).parent_path() / path).string();
}

// What `pattern` from byte `at` stands for, up to its end or the bracket that closes.
std::vector<std::string> expand(std::string_view pattern, size_t& at, bool within,
                                const Classes& classes, const std::string& where) {
  std::vector<std::string> out = {""};
  const auto times = [&](const std::vector<std::string>& parts) {
    std::vector<std::string> longer;
    if (out.size() * parts.size() > kMostSurfaces) {
      throw Error(where, fmt::format("{} stands for more than {} strings", pattern, kMostSurfaces));
    }
    for (const std::string& head : out) {
      for (const std::string& part : parts) longer.push_back(head + part);
    }
    out = std::move(longer);
  };
  while (at < pattern.size()) {
    const char c = pattern[at];
    if (c == ')') {
      if (!within) break;
      ++at;
      return out;
    }
    if (c == '(') {
      ++at;
      std::vector<std::string> inner = expand(pattern, at, true, classes, where);
      inner.emplace_back();
      times(inner);
      continue;
    }
    const size_t length = unit_at(pattern, at).length;
    if (const auto named = classes.find(c); named != classes.end()) {
      times(named->second);
    } else {
      times({std::string(pattern.substr(at, length))});
    }
    at += length;
  }
  if (within || at < pattern.size()) {
    throw Error(where, fmt::format("{} has brackets that do not match", pattern));
  }
  return out;
}

}  // namespace

std::vector<std::string> expand_affix(std::string_view pattern, const Classes& classes,
                                      const std::string& where) {
  if (pattern.size() > kLongestPattern) {
    throw Error(where, fmt::format("an affix has more than {} bytes", kLongestPattern));
  }
  size_t at = 0;
  std::vector<std::string> out = expand(pattern, at, false, classes, where);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (!out.empty() && out.front().empty()) out.erase(out.begin());
  return out;
}

Language Language::parse(std::string_view text, const std::string& where) {
  Language out;
  Classes classes;
  std::vector<std::pair<std::string, uint8_t>> patterns;  // with what stands in front of errors
  std::string dictionary, roots;
  int64_t number = 0;
  const std::unordered_map<std::string, uint8_t> kinds = {
      {"prefix", kPrefix}, {"suffix", kSuffix}, {"infix", kInfix}};
  if (!is_utf8(text)) throw Error(where, "is not UTF-8");
  each_line(text, [&](std::string_view line) {
    ++number;
    const std::vector<std::string> f = words_of(line);
    if (f.empty()) return;
    const std::string place = fmt::format("{}: line {}", where, number);
    if (f.size() < 2) throw Error(place, "\"" + f[0] + "\" says nothing", "Write KEY VALUE..");
    if (const auto kind = kinds.find(f[0]); kind != kinds.end()) {
      for (size_t i = 1; i < f.size(); ++i) {
        for (const std::string& surface : expand_affix(f[i], classes, place)) {
          out.affixes_[normalise(surface, NormalForm::nfc)] |= kind->second;
        }
        if (out.affixes_.size() > kMostAffixes) {
          throw Error(place, fmt::format("makes more than {} affixes", kMostAffixes));
        }
      }
    } else if (f[0] == "class") {
      if (f.size() < 3 || f[1].size() != 1 || f[1][0] < 'A' || f[1][0] > 'Z') {
        throw Error(place, "is no class", "Write class CAPITAL STRING.., as in class A a e.");
      }
      classes[f[1][0]].assign(f.begin() + 2, f.end());
    } else if (f[0] == "name") {
      out.name_ = f[1];
      for (size_t i = 2; i < f.size(); ++i) out.name_.append(" ").append(f[i]);
    } else if (f[0] == "hunspell") {
      dictionary = f[1].find('/') == std::string::npos ? f[1] : beside(where, f[1]);
    } else if (f[0] == "roots") {
      roots = beside(where, f[1]);
    } else if (f[0] == "joiner") {
      for (size_t i = 1; i < f.size(); ++i) out.joiners_ += unit_at(f[i], 0).code;
    } else if (f[0] == "casing") {
      if (f[1] != "turkic" && f[1] != "simple") {
        throw Error(place, "the casing " + f[1] + " is not there; there are simple, turkic");
      }
      out.turkic_ = f[1] == "turkic";
    } else {
      const std::vector<std::string> keys = {"name",   "hunspell", "roots", "casing", "class",
                                             "prefix", "suffix",   "infix", "joiner"};
      std::string list;
      for (const std::string& key : keys) list += (list.empty() ? "" : ", ") + key;
      throw Error(place, "the key " + f[0] + " is not there; there are " + list,
                  did_you_mean(f[0], keys));
    }
  });
  if (out.name_.empty()) throw Error(where, "has no line \"name\"", "It is no file of a language.");
  if (!dictionary.empty()) out.dictionary_.emplace(find_dictionary(dictionary));
  if (!roots.empty()) {
    // A pipe or a device that a file from elsewhere names might never end.
    if (!fs::is_regular_file(roots)) throw Error(roots, "is no file of roots");
    out.read_roots(roots);
  }
  if (!out.dictionary_ && out.affixes_.empty() && out.roots_.empty()) {
    throw Error(where, "names neither a dictionary nor roots nor affixes");
  }
  return out;
}

Language Language::open(const std::string& ref, const std::string& roots) {
  const auto opened = [&]() -> Language {
    for (const BuiltInLanguage& known : built_in_languages()) {
      if (known.name == ref) return parse(known.text, ref);
    }
    if (fs::is_regular_file(ref)) return parse(read_text(ref), ref);
    if (ref.ends_with(".language") || ref.find('/') != std::string::npos) {
      throw Error(ref, "is no file", "docs/languages.md says what the file of a language holds.");
    }
    return parse("name " + ref + "\nhunspell " + ref + "\n", ref);
  };
  Language out = opened();
  if (!roots.empty()) out.read_roots(roots);
  return out;
}

void Language::read_roots(const std::string& path) {
  roots_.clear();
  read_lines(path, [&](std::string_view line) {
    if (line.empty()) return;
    if (roots_.size() >= kMostRoots) {
      throw Error(path, fmt::format("has more than {} roots", kMostRoots));
    }
    roots_.insert(folded(line));
  });
  if (roots_.empty()) throw Error(path, "holds no root", "Write one a line.");
}

std::string Language::folded(std::string_view word) const {
  std::string composed = normalise(word, NormalForm::nfc);
  if (turkic_) {
    std::string out;
    for (size_t i = 0; i < composed.size();) {
      const Unit u = unit_at(composed, i);
      append_unit(out, u.code == U'I' ? U'ı' : u.code == U'İ' ? U'i' : u.code);
      i += u.length;
    }
    composed = std::move(out);
  }
  return lower_case(composed);
}

bool Language::root(const std::string& word) const {
  if (!roots_by_stem()) return roots_.contains(word);
  const std::vector<std::string> stems = dictionary_->stems(word);
  return !stems.empty() && std::all_of(stems.begin(), stems.end(),
                                       [&](const std::string& s) { return folded(s) == word; });
}

bool Language::affix(const std::string& piece, uint8_t places) const {
  const auto it = affixes_.find(piece);
  return it != affixes_.end() && (it->second & places) != 0;
}

std::vector<std::string> Language::affix_list() const {
  std::vector<std::string> out;
  for (const auto& [affix, places] : affixes_) out.push_back(affix);
  std::sort(out.begin(), out.end());
  return out;
}

bool Language::word(std::string_view as_written, const std::string& folded_form) const {
  return dictionary_ && (dictionary_->accepts(folded_form) ||
                         (as_written != folded_form && dictionary_->accepts(as_written)));
}

std::vector<std::string> Language::lacks() const {
  std::vector<std::string> out;
  if (!dictionary_) out.emplace_back("no dictionary: only roots and affixes are valid");
  if (affixes_.empty()) out.emplace_back("no affixes: pieces within words are not valid");
  if (roots_by_stem()) {
    out.emplace_back("no list of roots: a word is one where the dictionary knows no stem but it");
  }
  return out;
}

}  // namespace tessera
