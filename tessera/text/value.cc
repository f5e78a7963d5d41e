#include "tessera/text/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tessera/base/error.h"

namespace tessera {
namespace {

void check_depth(int depth) {
  if (depth > Value::kMaxDepth) {
    throw Error("", "a value is nested more than " + std::to_string(Value::kMaxDepth) + " deep");
  }
}

void check_weight(int64_t weight) {
  if (weight > Value::kMaxWeight) {
    throw Error("", "a value holds more than " + std::to_string(Value::kMaxWeight) + " bytes");
  }
}

[[noreturn]] void no_order(const Value& a, const Value& b) {
  throw Error("", std::string(a.kind_name()) + " and " + std::string(b.kind_name()) +
                      " have no order");
}

}  // namespace

Value Value::string(std::string text, bool is_content) {
  return string(MarkedText(std::move(text), is_content));
}

Value Value::string(MarkedText text) {
  return Value(Data(std::make_shared<const MarkedText>(std::move(text))));
}

Value Value::list(std::vector<Value> items, bool tuple) {
  int depth = 1;
  int64_t weight = 16;
  for (const Value& v : items) {
    depth = std::max(depth, v.depth() + 1);
    check_weight(weight += v.weight());
  }
  check_depth(depth);
  return Value(Data(std::make_shared<const List>(List{std::move(items), tuple, depth, weight})));
}

Value Value::map(Entries entries) {
  int depth = 1;
  int64_t weight = 16;
  for (const auto& [key, value] : entries) {
    depth = std::max({depth, key.depth() + 1, value.depth() + 1});
    check_weight(weight += key.weight() + value.weight());
  }
  check_depth(depth);
  return Value(Data(std::make_shared<const Map>(Map{std::move(entries), depth, weight})));
}

int Value::depth() const {
  if (is(Kind::list)) return std::get<ListPointer>(data_)->depth;
  if (is(Kind::map)) return std::get<MapPointer>(data_)->depth;
  return 0;
}

int64_t Value::weight() const {
  if (is(Kind::list)) return std::get<ListPointer>(data_)->weight;
  if (is(Kind::map)) return std::get<MapPointer>(data_)->weight;
  return is(Kind::string) ? 16 + static_cast<int64_t>(as_string().size()) : 16;
}

double Value::number() const {
  if (is(Kind::boolean)) return as_boolean() ? 1 : 0;
  return is(Kind::integer) ? static_cast<double>(as_integer()) : as_real();
}

bool Value::truth() const {
  switch (kind()) {
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean: return as_boolean();
    case Kind::integer: return as_integer() != 0;
    case Kind::real: return as_real() != 0;
    case Kind::string: return !as_string().empty();
    case Kind::list: return !as_list().empty();
    case Kind::map: return !as_map().empty();
    case Kind::object: return true;
  }
  return false;
}

const Value* Value::find(std::string_view key) const {
  if (!is(Kind::map)) return nullptr;
  for (const auto& [name, value] : as_map()) {
    if (name.is(Kind::string) && name.as_string() == key) return &value;
  }
  return nullptr;
}

const Value* Value::find(const Value& key) const {
  if (!is(Kind::map)) return nullptr;
  for (const auto& [name, value] : as_map()) {
    if (equal(name, key)) return &value;
  }
  return nullptr;
}

std::string_view Value::kind_name() const {
  constexpr std::string_view names[] = {"undefined", "none",  "a boolean", "a whole number", "a number",
                                        "a string",  "a list", "a map",    "an object"};
  return names[data_.index()];
}

bool equal(const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::integer) && b.is(Kind::integer)) return a.as_integer() == b.as_integer();
    return a.number() == b.number();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::string: return a.as_string() == b.as_string();
    case Kind::list:
      return a.is_tuple() == b.is_tuple() &&
             std::equal(a.as_list().begin(), a.as_list().end(), b.as_list().begin(),
                        b.as_list().end(), equal);
    case Kind::map:
      if (a.as_map().size() != b.as_map().size()) return false;
      for (const auto& [key, value] : a.as_map()) {
        const Value* other = b.find(key);
        if (!other || !equal(value, *other)) return false;
      }
      return true;
    case Kind::object: return a.as_object() == b.as_object();
    default: return true;
  }
}

bool less(const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::integer) && b.is(Kind::integer)) return a.as_integer() < b.as_integer();
    return a.number() < b.number();
  }
  if (a.is(Kind::string) && b.is(Kind::string)) return a.as_string() < b.as_string();
  if (a.is(Kind::list) && b.is(Kind::list)) {
    return std::lexicographical_compare(a.as_list().begin(), a.as_list().end(), b.as_list().begin(),
                                        b.as_list().end(), less);
  }
  no_order(a, b);
}

std::string print_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  // Python writes plain digits from 1e-4 up to 1e16, the shortest that read back.
  double size = std::fabs(value);
  auto format = size != 0 && (size < 1e-4 || size >= 1e16) ? std::chars_format::scientific
                                                           : std::chars_format::fixed;
  std::string out(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr);
  if (format == std::chars_format::fixed && out.find('.') == std::string::npos) out += ".0";
  return out;
}

void print_repr(const Value& value, MarkedText& out) {
  using Kind = Value::Kind;
  if (value.is(Kind::list)) {
    bool tuple = value.is_tuple();
    out.append(tuple ? "(" : "[");
    for (size_t i = 0; i < value.as_list().size(); ++i) {
      if (i > 0) out.append(", ");
      print_repr(value.as_list()[i], out);
    }
    out.append(tuple ? (value.as_list().size() == 1 ? ",)" : ")") : "]");
  } else if (value.is(Kind::map)) {
    out.append("{");
    bool first = true;
    for (const auto& [key, item] : value.as_map()) {
      if (!first) out.append(", ");
      first = false;
      print_repr(key, out);
      out.append(": ");
      print_repr(item, out);
    }
    out.append("}");
  } else if (value.is(Kind::string)) {
    const std::string& text = value.as_string();
    bool content = value.as_text().marked();
    char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
    std::string escaped(1, quote);
    for (char c : text) {
      auto u = static_cast<unsigned char>(c);
      if (c == quote || c == '\\') {
        escaped += {'\\', c};
      } else if (c == '\n' || c == '\r' || c == '\t') {
        escaped += {'\\', c == '\n' ? 'n' : c == '\r' ? 'r' : 't'};
      } else if (u < 0x20 || u == 0x7f) {
        constexpr char hex[] = "0123456789abcdef";
        escaped += {'\\', 'x', hex[u >> 4], hex[u & 15]};
      } else {
        escaped += c;
      }
    }
    out.append(escaped + quote, content);
  } else if (value.is(Kind::undefined)) {
    out.append("Undefined");
  } else {
    out.append(print(value));
  }
}

MarkedText print(const Value& value) {
  using Kind = Value::Kind;
  switch (value.kind()) {
    case Kind::undefined: return MarkedText("");
    case Kind::none: return MarkedText("None");
    case Kind::boolean: return MarkedText(value.as_boolean() ? "True" : "False");
    case Kind::integer: return MarkedText(std::to_string(value.as_integer()));
    case Kind::real: return MarkedText(print_real(value.as_real()));
    case Kind::string: return value.as_text();
    case Kind::object: throw Error("", "a macro, loop or namespace cannot be printed");
    default: break;
  }
  MarkedText out;
  print_repr(value, out);
  return out;
}

}  // namespace tessera
