#include "tessera/base/spec.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tessera/base/error.h"

namespace tessera {
namespace {

std::string number(double v) {
  if (v == std::floor(v) && std::fabs(v) < 1e15) return std::to_string(static_cast<int64_t>(v));
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
  return {buffer, end};
}

bool name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

std::string join(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + item;
  return out;
}

}  // namespace

Spec Spec::parse(std::string_view text) {
  auto fail = [&](size_t at, const std::string& what) {
    throw Error(std::string(text), "column " + std::to_string(at + 1) + ": " + what,
                "A method is named name:key=value,key=value.");
  };
  size_t i = 0;
  auto name = [&] {
    size_t begin = i;
    while (i < text.size() && name_character(text[i])) ++i;
    if (i == begin) fail(i, "a name is missing");
    return std::string(text.substr(begin, i - begin));
  };
  Spec spec{name(), {}};
  if (i == text.size()) return spec;
  if (text[i] != ':') fail(i, std::string("unexpected '") + text[i] + "'");
  do {
    ++i;
    std::string key = name();
    if (i == text.size() || text[i] != '=') fail(i, "'=' is missing after " + key);
    ++i;
    std::string value;
    if (i < text.size() && text[i] == '"') {
      for (++i;; ++i) {
        if (i >= text.size()) fail(i, "the closing quote is missing");
        if (text[i] == '"') break;
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        value += text[i];
      }
      ++i;
    } else {
      while (i < text.size() && text[i] != ',') value += text[i++];
    }
    for (const auto& [other, unused] : spec.options) {
      if (other == key) fail(i, key + " is given twice");
    }
    spec.options.emplace_back(std::move(key), std::move(value));
    if (i < text.size() && text[i] != ',') fail(i, std::string("unexpected '") + text[i] + "'");
  } while (i < text.size());
  return spec;
}

std::string Spec::text() const {
  std::string out = name;
  for (size_t i = 0; i < options.size(); ++i) {
    out += (i == 0 ? ":" : ",") + options[i].first + "=";
    const std::string& value = options[i].second;
    if (value.find_first_of(",\"") == std::string::npos) {
      out += value;
      continue;
    }
    out += '"';
    for (char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out;
}

std::string Range::text() const {
  bool low = std::isfinite(least), high = std::isfinite(most);
  if (low && high) return number(least) + " to " + number(most);
  if (low) return "at least " + number(least);
  if (high) return "at most " + number(most);
  return "any";
}

const std::string* SpecReader::find(std::string_view key) {
  known_.emplace_back(key);
  for (const auto& [name, value] : spec_.options) {
    if (name == key) return &value;
  }
  return nullptr;
}

void SpecReader::refuse(std::string_view key, std::string_view text,
                        std::string_view wanted) const {
  throw Error(spec_.text(), std::string(key) + " is \"" + std::string(text) + "\"",
              "It takes " + std::string(wanted) + ".");
}

void SpecReader::operator()(std::string_view key, int64_t& value, std::string_view /*meaning*/,
                            Range range) {
  const std::string* text = find(key);
  if (!text) return;
  int64_t parsed = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), parsed);
  auto as_double = static_cast<double>(parsed);
  if (error != std::errc() || end != text->data() + text->size() || as_double < range.least ||
      as_double > range.most) {
    refuse(key, *text, "a whole number (" + range.text() + ")");
  }
  value = parsed;
}

void SpecReader::operator()(std::string_view key, double& value, std::string_view /*meaning*/,
                            Range range) {
  const std::string* text = find(key);
  if (!text) return;
  double parsed = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), parsed);
  if (error != std::errc() || end != text->data() + text->size() || !std::isfinite(parsed) ||
      parsed < range.least || parsed > range.most) {
    refuse(key, *text, "a number (" + range.text() + ")");
  }
  value = parsed;
}

void SpecReader::operator()(std::string_view key, bool& value, std::string_view /*meaning*/) {
  const std::string* text = find(key);
  if (!text) return;
  if (*text != "on" && *text != "off") refuse(key, *text, "on or off");
  value = *text == "on";
}

void SpecReader::operator()(std::string_view key, std::string& value, std::string_view /*meaning*/,
                            const std::vector<std::string>& choices) {
  const std::string* text = find(key);
  if (!text) return;
  if (!choices.empty() && std::find(choices.begin(), choices.end(), *text) == choices.end()) {
    refuse(key, *text, "one of " + join(choices));
  }
  value = *text;
}

void SpecReader::finish() const {
  for (const auto& [key, value] : spec_.options) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    std::string fault = "no option \"";
    fault.append(key).append("\"; it has ").append(known_.empty() ? "no options" : join(known_));
    throw Error(spec_.text(), fault, did_you_mean(key, known_));
  }
}

void SpecDocs::operator()(std::string_view key, int64_t& value, std::string_view meaning,
                          Range range) {
  docs.push_back({std::string(key), "whole number", std::to_string(value), range.text(),
                  std::string(meaning)});
}

void SpecDocs::operator()(std::string_view key, double& value, std::string_view meaning,
                          Range range) {
  docs.push_back({std::string(key), "number", number(value), range.text(), std::string(meaning)});
}

void SpecDocs::operator()(std::string_view key, bool& value, std::string_view meaning) {
  docs.push_back(
      {std::string(key), "switch", value ? "on" : "off", "on or off", std::string(meaning)});
}

void SpecDocs::operator()(std::string_view key, std::string& value, std::string_view meaning,
                          const std::vector<std::string>& choices) {
  docs.push_back({std::string(key), "text", value, choices.empty() ? "any" : join(choices),
                  std::string(meaning)});
}

}  // namespace tessera
