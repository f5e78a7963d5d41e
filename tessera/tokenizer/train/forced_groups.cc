#include "tessera/tokenizer/train/forced_groups.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

using Strings = std::set<std::string>;

void runs(Strings& out, std::string_view characters) {
  for (const char c : characters) {
    for (size_t n = 2; n <= 8; ++n) out.insert(std::string(n, c));
  }
}

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

Strings whitespace() {
  Strings out = {"\r\n", "\t "};
  runs(out, " \t\r\n");
  return out;
}

Strings markdown() {
  Strings out = {"##", "###",     "####",     "#####", "######", "**",      "~~",   "```",
                 "![", "http://", "https://", "www.",  "ftp://", "mailto:", "tel:", "://"};
  runs(out, ".-=_*~");
  return out;
}

Strings html() {
  Strings out;
  for (const char* tag :
       {"html", "head",  "body",  "title", "meta",   "link", "script", "style", "div",   "span",
        "p",    "a",     "img",   "br",    "hr",     "ul",   "ol",     "li",    "dl",    "dt",
        "dd",   "table", "thead", "tbody", "tr",     "th",   "td",     "form",  "input", "button",
        "h1",   "h2",    "h3",    "h4",    "strong", "em",   "pre"}) {
    for (const std::string& name : {std::string(tag), upper(tag)}) {
      out.insert("<" + name);
      out.insert("</" + name + ">");
    }
  }
  for (const char* attribute : {"id", "class", "style", "href", "src", "name"}) {
    out.insert(fmt::format(" {}=", attribute));
  }
  return out;
}

Strings json() {
  return {"{\"", "\"}", "[\"", "\"]", "\":", "\",", "\":\"", "\",\"", "null", "true", "false"};
}

Strings xml() { return {"<!--", "-->", "<![CDATA[", "]]>", "<?xml", "?>"}; }

Strings years() {
  Strings out;
  for (int year = 1776; year <= 2049; ++year) out.insert(std::to_string(year));
  return out;
}

Strings numbers() {
  Strings out;
  for (int number = 10; number <= 999; ++number) out.insert(std::to_string(number));
  return out;
}

Strings enumerations() {
  Strings out;
  for (char c = 'a'; c <= 'z'; ++c) {
    out.insert(fmt::format("({})", c));
    out.insert(upper(fmt::format("({})", c)));
  }
  for (int number = 0; number <= 99; ++number) out.insert(fmt::format("({})", number));
  for (const char* roman : {"ii", "iii", "iv", "vi", "vii", "viii", "ix"}) {
    out.insert(fmt::format("({})", roman));
    out.insert(upper(fmt::format("({})", roman)));
  }
  return out;
}

const std::map<std::string, Strings (*)()>& all_groups() {
  static const std::map<std::string, Strings (*)()> groups = {{"whitespace", whitespace},
                                                              {"markdown", markdown},
                                                              {"html", html},
                                                              {"json", json},
                                                              {"xml", xml},
                                                              {"years", years},
                                                              {"numbers", numbers},
                                                              {"enumerations", enumerations}};
  return groups;
}

}  // namespace

std::vector<std::string> forced_groups(std::string_view names) {
  Strings out;
  std::string rest(names);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('+'), rest.size());
    const std::string name = rest.substr(0, end);
    rest.erase(0, std::min(end + 1, rest.size()));
    if (name == "all") {
      for (const auto& [group, make] : all_groups()) out.merge(make());
      continue;
    }
    const auto it = all_groups().find(name);
    if (it == all_groups().end()) {
      std::string list = "all";
      for (const auto& [group, make] : all_groups()) list += ", " + group;
      throw Error("groups", "\"" + name + "\" is no group of tokens; there are " + list,
                  "Write some with + between them.");
    }
    out.merge(it->second());
  }
  return {out.begin(), out.end()};
}

}  // namespace tessera
