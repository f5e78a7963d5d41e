// Values of templates: JSON's, with ordered maps, plus "undefined" and the objects that a template
// can call. Immutable and cheap to copy; strings remember which of their bytes are content.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tessera/text/marked_text.h"

namespace tessera {

class Value;

// Something that only templates make: a macro, a namespace, the loop variable, a function.
class TemplateObject {
 public:
  virtual ~TemplateObject() = default;
  // Undefined when there is no such attribute.
  virtual Value attribute(std::string_view name) const = 0;
};

class Value {
 public:
  enum class Kind : uint8_t { undefined, none, boolean, integer, real, string, list, map, object };
  using Entries = std::vector<std::pair<Value, Value>>;
  struct List {
    std::vector<Value> items;
    bool tuple = false;  // differs in print only
    int depth = 1;
    int64_t weight = 0;
  };
  struct Map {
    Entries entries;  // keys are unique; order of insertion
    int depth = 1;
    int64_t weight = 0;
  };
  static constexpr int kMaxDepth = 100;
  static constexpr int64_t kMaxWeight = int64_t{1} << 28;

  Value() = default;  // undefined
  static Value none() { return Value(Data(None{})); }
  static Value boolean(bool b) { return Value(Data(b)); }
  static Value integer(int64_t i) { return Value(Data(i)); }
  static Value real(double d) { return Value(Data(d)); }
  static Value string(std::string text, bool is_content = false);
  static Value string(MarkedText text);
  // Throw Error when nested more than kMaxDepth deep or heavier than kMaxWeight.
  static Value list(std::vector<Value> items, bool tuple = false);
  static Value map(Entries entries);
  static Value object(std::shared_ptr<TemplateObject> object) {
    return Value(Data(std::move(object)));
  }
  // JSON text; strings in it are content if asked. Throws Error with the byte of the fault.
  static Value parse_json(std::string_view json, bool is_content, const std::string& where);

  Kind kind() const { return kKinds[data_.index()]; }
  bool is(Kind k) const { return kind() == k; }
  // Each needs the kind it names.
  bool as_boolean() const { return std::get<bool>(data_); }
  int64_t as_integer() const { return std::get<int64_t>(data_); }
  double as_real() const { return std::get<double>(data_); }
  const MarkedText& as_text() const { return *std::get<TextPointer>(data_); }
  const std::string& as_string() const { return as_text().bytes; }
  const std::vector<Value>& as_list() const { return std::get<ListPointer>(data_)->items; }
  bool is_tuple() const { return is(Kind::list) && std::get<ListPointer>(data_)->tuple; }
  const Entries& as_map() const { return std::get<MapPointer>(data_)->entries; }
  const std::shared_ptr<TemplateObject>& as_object() const {
    return std::get<std::shared_ptr<TemplateObject>>(data_);
  }

  // True, a number or a real one, as Python sees it.
  bool is_number() const { return is(Kind::boolean) || is(Kind::integer) || is(Kind::real); }
  double number() const;
  // Python's truth.
  bool truth() const;
  // The entry of a map with this key; null when there is none or this is no map.
  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;
  // "string", "list", ...: for messages.
  std::string_view kind_name() const;
  int depth() const;
  // Bytes of strings and 16 for each value, at all levels, shared ones counted each time: how long
  // printing or comparing takes.
  int64_t weight() const;

 private:
  struct None {};
  using TextPointer = std::shared_ptr<const MarkedText>;
  using ListPointer = std::shared_ptr<const List>;
  using MapPointer = std::shared_ptr<const Map>;
  using Data = std::variant<std::monostate, None, bool, int64_t, double, TextPointer, ListPointer,
                            MapPointer, std::shared_ptr<TemplateObject>>;
  // In the order of the alternatives.
  static constexpr std::array<Kind, std::variant_size_v<Data>> kKinds = {
      Kind::undefined, Kind::none, Kind::boolean, Kind::integer, Kind::real,
      Kind::string,    Kind::list, Kind::map,     Kind::object};
  explicit Value(Data data) : data_(std::move(data)) {}
  Data data_;
};

// Python's ==.
bool equal(const Value& a, const Value& b);
// Python's < for numbers, strings and lists. Throws Error for others.
bool less(const Value& a, const Value& b);
// Python's str() and repr().
MarkedText print(const Value& value);
void print_repr(const Value& value, MarkedText& out);
std::string print_real(double value);

struct JsonStyle {
  int64_t indent = -1;                               // -1: one line
  std::string item_separator, key_separator = ": ";  // "" means ", " on one line, "," when indented
  bool sort_keys = false;
  bool ascii = false;
};
// Python's json.dumps. Throws Error for undefined values and objects.
MarkedText to_json(const Value& value, const JsonStyle& style);

}  // namespace tessera
