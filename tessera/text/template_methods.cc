// The methods of strings, lists and maps that templates may call. Nothing here changes a value:
// Jinja's immutable sandbox, which chat templates are written for, refuses the others, too.
#include <algorithm>
#include <array>
#include <map>

#include "tessera/base/error.h"
#include "tessera/text/template_run.h"
#include "tessera/text/template_strings.h"

namespace tessera::templates {
namespace {

using Kind = Value::Kind;
using Method = Value (*)(Budget&, const Value&, Arguments&);
using Methods = std::map<std::string_view, Method>;

const MarkedText& text_argument(const Arguments& a, size_t at, std::string_view name) {
  const Value* v = a.get(at, name);
  if (!v || !v->is(Kind::string))
    throw Fault{"argument " + std::to_string(at + 1) + " is a string"};
  return v->as_text();
}

std::string_view characters(const Arguments& a) {
  const Value* v = a.get(0, "chars");
  if (!v || v->is(Kind::none)) return {};
  return text_argument(a, 0, "chars").bytes;
}

template <bool left, bool right>
Value m_strip(Budget& budget, const Value& v, Arguments& a) {
  budget.bytes(v.as_string().size());
  // An empty set of characters strips nothing.
  if (const Value* given = a.get(0, "chars");
      given && given->is(Kind::string) && given->as_string().empty()) {
    return v;
  }
  budget.step(static_cast<int64_t>(characters(a).size()));
  return Value::string(strip(v.as_text(), characters(a), left, right));
}

template <Case how>
Value m_case(Budget& budget, const Value& v, Arguments& /*a*/) {
  budget.bytes(v.as_string().size());
  return Value::string(change_case(v.as_text(), how));
}

template <bool from_right>
Value m_split(Budget& budget, const Value& v, Arguments& a) {
  const Value* separator = a.get(0, "sep");
  bool given = separator && !separator->is(Kind::none);
  std::string_view by =
      given ? std::string_view(text_argument(a, 0, "sep").bytes) : std::string_view();
  if (given && by.empty()) throw Fault{"the separator is empty"};
  budget.bytes(v.as_string().size() * sizeof(MarkedText));
  std::vector<Value> out;
  for (auto& part : split_text(v.as_text(), by, a.integer(1, "maxsplit", -1), from_right)) {
    out.push_back(Value::string(std::move(part)));
  }
  return Value::list(std::move(out));
}

Value m_split_lines(Budget& budget, const Value& v, Arguments& a) {
  budget.bytes(v.as_string().size() * sizeof(MarkedText));
  std::vector<Value> out;
  for (auto& part : split_lines(v.as_text(), a.truth(0, "keepends", false))) {
    out.push_back(Value::string(std::move(part)));
  }
  return Value::list(std::move(out));
}

// startswith, endswith: one string or a tuple of them.
template <bool front>
Value m_begins(Budget& /*budget*/, const Value& v, Arguments& a) {
  auto holds = [&](const Value& part) {
    if (!part.is(Kind::string)) throw Fault{"the argument is a string or a tuple of strings"};
    return front ? v.as_string().starts_with(part.as_string())
                 : v.as_string().ends_with(part.as_string());
  };
  const Value* part = a.get(0, "prefix");
  if (!part) throw Fault{"an argument is missing"};
  if (!part->is_tuple()) return Value::boolean(holds(*part));
  return Value::boolean(std::any_of(part->as_list().begin(), part->as_list().end(), holds));
}

template <bool front>
Value m_remove(Budget& budget, const Value& v, Arguments& a) {
  const std::string& part = text_argument(a, 0, "affix").bytes;
  const MarkedText& text = v.as_text();
  budget.bytes(text.size());
  bool holds = front ? text.bytes.starts_with(part) : text.bytes.ends_with(part);
  if (!holds) return v;
  return Value::string(front ? text.slice(part.size(), text.size())
                             : text.slice(0, text.size() - part.size()));
}

Value m_replace(Budget& budget, const Value& v, Arguments& a) {
  const MarkedText& old = text_argument(a, 0, "old");
  const MarkedText& fresh = text_argument(a, 1, "new");
  const MarkedText& text = v.as_text();
  size_t times = text.size() + 1;
  if (!old.bytes.empty()) {
    times = 0;
    for (size_t i = text.bytes.find(old.bytes); i != std::string::npos;
         i = text.bytes.find(old.bytes, i + old.size()))
      ++times;
  }
  budget.bytes(text.size());
  if (times > 0 && fresh.size() > (size_t{1} << 40) / times) throw Fault{"the text grows too long"};
  budget.bytes(times * fresh.size());
  return Value::string(replace(text, old.bytes, fresh, a.integer(2, "count", -1)));
}

// find, rfind, index: code points.
template <bool from_right, bool needed>
Value m_find(Budget& budget, const Value& v, Arguments& a) {
  const std::string& part = text_argument(a, 0, "sub").bytes;
  const std::string& text = v.as_string();
  budget.step(static_cast<int64_t>(text.size() / 64));
  if (a.values.size() > 1) throw Fault{"only the text to find can be given"};
  size_t at = from_right ? text.rfind(part) : text.find(part);
  if (at == std::string::npos) {
    if (needed) throw Fault{"the text was not found"};
    return Value::integer(-1);
  }
  return Value::integer(
      static_cast<int64_t>(count_characters(std::string_view(text).substr(0, at))));
}

Value m_count(Budget& budget, const Value& v, Arguments& a) {
  const std::string& part = text_argument(a, 0, "sub").bytes;
  const std::string& text = v.as_string();
  budget.step(static_cast<int64_t>(text.size() / 64));
  if (part.empty()) return Value::integer(static_cast<int64_t>(count_characters(text)) + 1);
  int64_t n = 0;
  for (size_t i = text.find(part); i != std::string::npos; i = text.find(part, i + part.size()))
    ++n;
  return Value::integer(n);
}

Value m_join(Budget& budget, const Value& v, Arguments& a) {
  if (a.values.size() != 1) throw Fault{"join takes one list"};
  Arguments inner;
  inner.values.push_back(v);
  for (const Value& item : elements(budget, a.values[0])) {
    if (!item.is(Kind::string))
      throw Fault{"join takes strings, not " + std::string(item.kind_name())};
  }
  return apply_filter(budget, "join", a.values[0], inner);
}

// isdigit and the like, on ASCII.
template <bool (*holds)(char)>
Value m_all(Budget& /*budget*/, const Value& v, Arguments& /*a*/) {
  const std::string& s = v.as_string();
  return Value::boolean(!s.empty() && std::all_of(s.begin(), s.end(), holds));
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool letter_or_digit(char c) { return letter(c) || is_digit(c); }
bool blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f); }

template <Case how, Case opposite>
Value m_is_case(Budget& /*budget*/, const Value& v, Arguments& /*a*/) {
  return Value::boolean(change_case(v.as_text(), how).bytes == v.as_string() &&
                        change_case(v.as_text(), opposite).bytes != v.as_string());
}

const Methods& string_methods() {
  static const Methods table = {
      {"capitalize", m_case<Case::capitalize>},
      {"count", m_count},
      {"endswith", m_begins<false>},
      {"find", m_find<false, false>},
      {"index", m_find<false, true>},
      {"isalnum", m_all<letter_or_digit>},
      {"isalpha", m_all<letter>},
      {"isdigit", m_all<is_digit>},
      {"islower", m_is_case<Case::lower, Case::upper>},
      {"isspace", m_all<blank>},
      {"isupper", m_is_case<Case::upper, Case::lower>},
      {"join", m_join},
      {"lower", m_case<Case::lower>},
      {"lstrip", m_strip<true, false>},
      {"removeprefix", m_remove<true>},
      {"removesuffix", m_remove<false>},
      {"replace", m_replace},
      {"rfind", m_find<true, false>},
      {"rsplit", m_split<true>},
      {"rstrip", m_strip<false, true>},
      {"split", m_split<false>},
      {"splitlines", m_split_lines},
      {"startswith", m_begins<true>},
      {"strip", m_strip<true, true>},
      {"swapcase", m_case<Case::swap>},
      {"title", m_case<Case::title>},
      {"upper", m_case<Case::upper>},
  };
  return table;
}

enum Part { keys, values, both };
template <Part part>
Value m_entries(Budget& budget, const Value& v, Arguments& /*a*/) {
  std::vector<Value> out;
  budget.bytes(v.as_map().size() * sizeof(Value) * 4);
  for (const auto& [key, value] : v.as_map()) {
    out.push_back(part == keys ? key : part == values ? value : Value::list({key, value}, true));
  }
  return Value::list(std::move(out));
}

Value m_get(Budget& budget, const Value& v, Arguments& a) {
  const Value* key = a.get(0, "key");
  if (!key) throw Fault{"get takes a key"};
  budget.step(static_cast<int64_t>(v.as_map().size() / 16));
  const Value* standard = a.get(1, "default");
  const Value* found = v.find(*key);
  return found ? *found : standard ? *standard : Value::none();
}

const Methods& map_methods() {
  static const Methods table = {{"get", m_get},
                                {"items", m_entries<both>},
                                {"keys", m_entries<keys>},
                                {"values", m_entries<values>}};
  return table;
}

Value m_list_index(Budget& budget, const Value& v, Arguments& a) {
  const Value* wanted = a.get(0, "value");
  if (!wanted) throw Fault{"an argument is missing"};
  budget.step(v.weight() / 16);
  for (size_t i = 0; i < v.as_list().size(); ++i) {
    if (equal(v.as_list()[i], *wanted)) return Value::integer(static_cast<int64_t>(i));
  }
  throw Fault{"the value is not in the list"};
}

Value m_list_count(Budget& budget, const Value& v, Arguments& a) {
  const Value* wanted = a.get(0, "value");
  if (!wanted) throw Fault{"an argument is missing"};
  budget.step(v.weight() / 16);
  return Value::integer(std::count_if(v.as_list().begin(), v.as_list().end(),
                                      [&](const Value& x) { return equal(x, *wanted); }));
}

Value m_no_change(Budget& /*budget*/, const Value& /*v*/, Arguments& /*a*/) {
  throw Fault{"lists cannot be changed; write list + [value]"};
}

const Methods& list_methods() {
  static const Methods table = {{"append", m_no_change}, {"extend", m_no_change},
                                {"insert", m_no_change}, {"pop", m_no_change},
                                {"count", m_list_count}, {"index", m_list_index}};
  return table;
}

const Methods* methods_of(const Value& self) {
  switch (self.kind()) {
    case Kind::string:
      return &string_methods();
    case Kind::map:
      return &map_methods();
    case Kind::list:
      return &list_methods();
    default:
      return nullptr;
  }
}

}  // namespace

bool has_method(const Value& self, std::string_view name) {
  const Methods* methods = methods_of(self);
  return methods && methods->contains(name);
}

Value call_method(Budget& budget, const Value& self, std::string_view name, Arguments& arguments) {
  return methods_of(self)->at(name)(budget, self, arguments);
}

}  // namespace tessera::templates
