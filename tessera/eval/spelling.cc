#include "tessera/eval/spelling.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <utility>

#include <hunspell.hxx>
#include <iconv.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestWord = 100;

// One direction between two encodings.
class Recoder {
 public:
  Recoder(const std::string& to, const std::string& from)
      : handle_(iconv_open(to.c_str(), from.c_str())) {}
  Recoder(const Recoder&) = delete;
  Recoder& operator=(const Recoder&) = delete;
  ~Recoder() {
    if (valid()) iconv_close(handle_);
  }
  bool valid() const { return handle_ != reinterpret_cast<iconv_t>(-1); }
  // None where a character has no place in the other encoding.
  std::optional<std::string> operator()(std::string_view text) {
    std::string in(text), out(4 * text.size() + 16, '\0');
    char* from = in.data();
    char* to = out.data();
    size_t left = in.size(), room = out.size();
    iconv(handle_, nullptr, nullptr, nullptr, nullptr);
    if (iconv(handle_, &from, &left, &to, &room) != 0) return std::nullopt;
    out.resize(out.size() - room);
    return out;
  }

 private:
  iconv_t handle_;
};

std::vector<fs::path> dictionary_folders() {
  std::vector<fs::path> out;
  if (const char* named = std::getenv("DICPATH")) {
    std::string_view rest = named;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(':'), rest.size());
      if (end > 0) out.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  for (const char* folder :
       {"/usr/share/hunspell", "/usr/share/myspell", "/usr/local/share/hunspell"}) {
    out.emplace_back(folder);
  }
  return out;
}

}  // namespace

struct SpellingDictionary::Parts {
  explicit Parts(const std::string& stem)
      : checker((stem + ".aff").c_str(), (stem + ".dic").c_str()),
        into(checker.get_dict_encoding(), "UTF-8"),
        out_of("UTF-8", checker.get_dict_encoding()) {}
  Hunspell checker;
  Recoder into, out_of;
};

SpellingDictionary::SpellingDictionary(const std::string& stem) {
  check_dictionary(stem + ".aff", stem + ".dic");
  try {
    parts_ = std::make_unique<Parts>(stem);
  } catch (const std::exception& error) {
    throw Error(stem + ".aff", std::string("cannot be read by hunspell: ") + error.what());
  }
  if (!parts_->into.valid() || !parts_->out_of.valid()) {
    throw Error(stem + ".aff",
                "has the encoding " + parts_->checker.get_dict_encoding() + ", which is not known",
                "Convert both files to UTF-8 and write SET UTF-8.");
  }
}
SpellingDictionary::SpellingDictionary(SpellingDictionary&&) noexcept = default;
SpellingDictionary& SpellingDictionary::operator=(SpellingDictionary&&) noexcept = default;
SpellingDictionary::~SpellingDictionary() = default;

bool SpellingDictionary::accepts(std::string_view word) const {
  if (word.empty() || word.size() > kLongestWord) return false;
  const auto coded = parts_->into(word);
  return coded && parts_->checker.spell(*coded);
}

std::vector<std::string> SpellingDictionary::stems(std::string_view word) const {
  std::vector<std::string> out;
  if (!accepts(word)) return out;
  for (const std::string& stem : parts_->checker.stem(*parts_->into(word))) {
    if (auto text = parts_->out_of(stem)) out.push_back(std::move(*text));
  }
  return out;
}

std::string find_dictionary(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (fs::is_regular_file(name + ".aff")) return name;
    throw Error(name + ".aff", "is not there",
                "A dictionary is two files, NAME.aff and NAME.dic, named without the ending.");
  }
  std::vector<std::string> installed;
  for (const fs::path& folder : dictionary_folders()) {
    std::error_code ignored;
    std::vector<std::string> here;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const fs::path& path = entry.path();
      if (path.extension() != ".aff" || !fs::exists(fs::path(path).replace_extension(".dic"))) {
        continue;
      }
      here.push_back(path.stem().string());
    }
    std::sort(here.begin(), here.end());
    for (const std::string& found : here) {
      const bool of_language = found.starts_with(name) && found.size() > name.size() &&
                               (found[name.size()] == '_' || found[name.size()] == '-');
      if (found == name || of_language) return (folder / found).string();
    }
    installed.insert(installed.end(), here.begin(), here.end());
  }
  std::string list;
  for (const std::string& n : installed) list += (list.empty() ? "" : ", ") + n;
  throw Error("the dictionary " + name,
              list.empty() ? "is not there, nor is any other" : "is not there; there are " + list,
              "Install Debian's hunspell-" + name.substr(0, name.find_first_of("_-")) +
                  ", or name the folder of its .aff and .dic in DICPATH.");
}

}  // namespace tessera
