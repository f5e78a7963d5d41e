// Values from and to JSON text.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/text/value.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

Value from(const Json& json, bool content, int depth, const std::string& where) {
  if (depth > Value::kMaxDepth) {
    throw Error(where, "JSON is nested more than " + std::to_string(Value::kMaxDepth) + " deep");
  }
  switch (json.type()) {
    case Json::value_t::null: return Value::none();
    case Json::value_t::boolean: return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer: return Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned: {
      auto n = json.get<uint64_t>();
      if (n > INT64_MAX) return Value::real(static_cast<double>(n));
      return Value::integer(static_cast<int64_t>(n));
    }
    case Json::value_t::number_float: return Value::real(json.get<double>());
    case Json::value_t::string: return Value::string(json.get<std::string>(), content);
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const auto& item : json) items.push_back(from(item, content, depth + 1, where));
      return Value::list(std::move(items));
    }
    case Json::value_t::object: {
      Value::Entries entries;
      entries.reserve(json.size());
      for (const auto& [key, item] : json.items()) {
        entries.emplace_back(Value::string(key, content), from(item, content, depth + 1, where));
      }
      return Value::map(std::move(entries));
    }
    default: throw Error(where, "JSON of an unknown kind");
  }
}

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {
    if (style_.item_separator.empty()) style_.item_separator = style.indent >= 0 ? "," : ", ";
  }

  void write(const Value& value, int64_t level) {
    using Kind = Value::Kind;
    switch (value.kind()) {
      case Kind::undefined: throw Error("", "an undefined value has no JSON");
      case Kind::object: throw Error("", "a macro, loop or namespace has no JSON");
      case Kind::none: out.append("null"); return;
      case Kind::boolean: out.append(value.as_boolean() ? "true" : "false"); return;
      case Kind::real: real(value.as_real()); return;
      case Kind::integer: out.append(std::to_string(value.as_integer())); return;
      case Kind::string: text(value.as_text()); return;
      case Kind::list: list(value, level); return;
      case Kind::map: map(value, level); return;
    }
  }

  MarkedText out;

 private:
  void real(double x) {
    if (std::isnan(x)) return out.append("NaN");
    if (std::isinf(x)) return out.append(x > 0 ? "Infinity" : "-Infinity");
    out.append(print_real(x));
  }

  void break_line(int64_t level) {
    if (style_.indent < 0) return;
    out.append("\n");
    out.append(std::string(static_cast<size_t>(style_.indent * level), ' '));
  }

  void list(const Value& value, int64_t level) {
    if (value.as_list().empty()) return out.append("[]");
    out.append("[");
    bool first = true;
    for (const Value& item : value.as_list()) {
      if (!first) out.append(style_.item_separator);
      first = false;
      break_line(level + 1);
      write(item, level + 1);
    }
    break_line(level);
    out.append("]");
  }

  void map(const Value& value, int64_t level) {
    if (value.as_map().empty()) return out.append("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : value.as_map()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](auto* a, auto* b) { return less(a->first, b->first); });
    }
    out.append("{");
    bool first = true;
    for (const auto* entry : entries) {
      if (!first) out.append(style_.item_separator);
      first = false;
      break_line(level + 1);
      key(entry->first);
      out.append(style_.key_separator);
      write(entry->second, level + 1);
    }
    break_line(level);
    out.append("}");
  }

  void key(const Value& value) {
    if (value.is(Value::Kind::string)) return text(value.as_text());
    if (value.is(Value::Kind::list) || value.is(Value::Kind::map)) {
      throw Error("", "a key of JSON is a string, a number, true, false or null");
    }
    out.append("\"");
    write(value, 0);
    out.append("\"");
  }

  void text(const MarkedText& text) {
    out.append("\"");
    std::string escaped;
    constexpr char hex[] = "0123456789abcdef";
    auto unit = [&](uint32_t u) {
      escaped += {'\\', 'u', hex[u >> 12 & 15], hex[u >> 8 & 15], hex[u >> 4 & 15], hex[u & 15]};
    };
    const std::string& s = text.bytes;
    for (size_t i = 0; i < s.size(); ++i) {
      auto c = static_cast<unsigned char>(s[i]);
      if (c == '"' || c == '\\') {
        escaped += {'\\', s[i]};
      } else if (c == '\n') {
        escaped += "\\n";
      } else if (c == '\r') {
        escaped += "\\r";
      } else if (c == '\t') {
        escaped += "\\t";
      } else if (c == '\b') {
        escaped += "\\b";
      } else if (c == '\f') {
        escaped += "\\f";
      } else if (c < 0x20) {
        unit(c);
      } else if (c >= 0x80 && style_.ascii) {
        size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        uint32_t point = c & (0xff >> (n + 1));
        for (size_t k = 1; k < n && i + k < s.size(); ++k) {
          point = point << 6 | (static_cast<unsigned char>(s[i + k]) & 0x3f);
        }
        i += n - 1;
        if (point >= 0x10000) {
          unit(0xd800 + ((point - 0x10000) >> 10));
          unit(0xdc00 + ((point - 0x10000) & 0x3ff));
        } else {
          unit(point);
        }
      } else {
        escaped += s[i];
      }
    }
    out.append(escaped, text.marked());
    out.append("\"");
  }

  JsonStyle style_;
};

}  // namespace

Value Value::parse_json(std::string_view json, bool is_content, const std::string& where) {
  try {
    return from(Json::parse(json), is_content, 0, where);
  } catch (const Json::parse_error& error) {
    throw Error(where, "byte " + std::to_string(error.byte) + ": no JSON");
  }
}

MarkedText to_json(const Value& value, const JsonStyle& style) {
  Writer writer(style);
  writer.write(value, 0);
  return std::move(writer.out);
}

}  // namespace tessera
