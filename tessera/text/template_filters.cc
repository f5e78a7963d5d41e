// The filters of templates, one function each, as Jinja 3 defines them.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>

#include "tessera/base/error.h"
#include "tessera/text/template_run.h"
#include "tessera/text/template_strings.h"

namespace tessera::templates {
namespace {

using Kind = Value::Kind;
using Filter = Value (*)(Budget&, const Value&, Arguments&);

MarkedText text_of(Budget& budget, const Value& v) {
  budget.bytes(static_cast<size_t>(v.weight()) * 2);
  return print(v);
}

// The value at "a.b.0" within `v`.
Value deep_attribute(const Value& v, const Value& path) {
  if (!path.is(Kind::string)) return item_of(v, path);
  Value at = v;
  std::string_view rest = path.as_string();
  while (true) {
    size_t dot = rest.find('.');
    std::string part(rest.substr(0, dot));
    bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    at = item_of(at, number && part.size() < 10 ? Value::integer(std::stoll(part)) : Value::string(part));
    if (dot == std::string_view::npos) return at;
    rest.remove_prefix(dot + 1);
  }
}

Value lower_key(const Value& v, bool case_sensitive) {
  if (case_sensitive || !v.is(Kind::string)) return v;
  return Value::string(change_case(v.as_text(), Case::lower));
}

void sort_values(Budget& budget, std::vector<Value>& items, bool case_sensitive, const Value* attribute,
                 bool reverse) {
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& v : items) {
    keyed.emplace_back(lower_key(attribute ? deep_attribute(v, *attribute) : v, case_sensitive), v);
    budget.step(v.weight() / 16);
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    budget.step();
    return reverse ? less(b.first, a.first) : less(a.first, b.first);
  });
  for (size_t i = 0; i < items.size(); ++i) items[i] = keyed[i].second;
}

Value f_trim(Budget& budget, const Value& v, Arguments& a) {
  const Value* characters = a.get(0, "chars");
  bool given = characters && characters->is(Kind::string);
  return Value::string(strip(text_of(budget, v), given ? characters->as_string() : "", true, true));
}

template <Case how>
Value f_case(Budget& budget, const Value& v, Arguments& /*a*/) {
  return Value::string(change_case(text_of(budget, v), how));
}

Value f_string(Budget& budget, const Value& v, Arguments& /*a*/) {
  return v.is(Kind::string) ? v : Value::string(text_of(budget, v));
}

Value f_tojson(Budget& budget, const Value& v, Arguments& a) {
  JsonStyle style;
  const Value* indent = a.get(1, "indent");
  if (indent && indent->is(Kind::integer)) style.indent = std::max<int64_t>(0, indent->as_integer());
  style.ascii = a.truth(0, "ensure_ascii", false);
  style.sort_keys = a.truth(3, "sort_keys", false);
  const Value* separators = a.get(2, "separators");
  if (separators && separators->is(Kind::list) && separators->as_list().size() == 2 &&
      separators->as_list()[0].is(Kind::string) && separators->as_list()[1].is(Kind::string)) {
    style.item_separator = separators->as_list()[0].as_string();
    style.key_separator = separators->as_list()[1].as_string();
  }
  int64_t inset = style.indent > 0 ? std::min<int64_t>(style.indent, 1 << 20) * (v.depth() + 1) : 0;
  budget.bytes(static_cast<size_t>(v.weight()) * 2 +
               static_cast<size_t>(v.weight() / 16) * static_cast<size_t>(inset));
  return Value::string(to_json(v, style));
}

Value f_length(Budget& /*budget*/, const Value& v, Arguments& /*a*/) {
  switch (v.kind()) {
    case Kind::undefined: return Value::integer(0);
    case Kind::string: return Value::integer(static_cast<int64_t>(count_characters(v.as_string())));
    case Kind::list: return Value::integer(static_cast<int64_t>(v.as_list().size()));
    case Kind::map: return Value::integer(static_cast<int64_t>(v.as_map().size()));
    default: throw Fault{std::string(v.kind_name()) + " has no length"};
  }
}

Value f_default(Budget& /*budget*/, const Value& v, Arguments& a) {
  const Value* standard = a.get(0, "default_value");
  bool use = v.is(Kind::undefined) || (a.truth(1, "boolean", false) && !v.truth());
  return !use ? v : standard ? *standard : Value::string("");
}

Value f_join(Budget& budget, const Value& v, Arguments& a) {
  const Value* separator = a.get(0, "d");
  const Value* attribute = a.get(1, "attribute");
  MarkedText between = separator ? text_of(budget, *separator) : MarkedText();
  MarkedText out;
  bool first = true;
  for (const Value& item : elements(budget, v)) {
    if (!first) out.append(between);
    first = false;
    budget.bytes(between.size());
    out.append(text_of(budget, attribute ? deep_attribute(item, *attribute) : item));
  }
  return Value::string(std::move(out));
}

Value f_replace(Budget& budget, const Value& v, Arguments& a) {
  Arguments inner;
  for (auto [at, name] : {std::pair{size_t{0}, "old"}, {size_t{1}, "new"}, {size_t{2}, "count"}}) {
    const Value* given = a.get(at, name);
    if (given && !given->is(Kind::none)) {
      inner.values.push_back(at < 2 ? Value::string(text_of(budget, *given)) : *given);
    }
  }
  return call_method(budget, Value::string(text_of(budget, v)), "replace", inner);
}

Value f_first(Budget& budget, const Value& v, Arguments& /*a*/) {
  auto items = elements(budget, v);
  return items.empty() ? Value() : items.front();
}

Value f_last(Budget& budget, const Value& v, Arguments& /*a*/) {
  auto items = elements(budget, v);
  return items.empty() ? Value() : items.back();
}

Value f_list(Budget& budget, const Value& v, Arguments& /*a*/) {
  return Value::list(elements(budget, v));
}

Value f_reverse(Budget& budget, const Value& v, Arguments& /*a*/) {
  auto items = elements(budget, v);
  std::reverse(items.begin(), items.end());
  if (!v.is(Kind::string)) return Value::list(std::move(items));
  MarkedText out;
  for (const Value& c : items) out.append(c.as_text());
  return Value::string(std::move(out));
}

Value f_items(Budget& budget, const Value& v, Arguments& a) {
  if (v.is(Kind::undefined)) return Value::list({});
  if (!v.is(Kind::map)) throw Fault{std::string(v.kind_name()) + " has no items"};
  return call_method(budget, v, "items", a);
}

Value f_map(Budget& budget, const Value& v, Arguments& a) {
  std::vector<Value> out;
  const Value* attribute = a.values.empty() ? a.get(0, "attribute") : nullptr;
  if (!attribute && (a.values.empty() || !a.values[0].is(Kind::string))) {
    throw Fault{"map takes the name of a filter, or attribute=..."};
  }
  if (!v.truth()) return Value::list({});  // none, too, as Jinja has it
  for (const Value& item : elements(budget, v)) {
    budget.step();
    if (attribute) {
      Value found = deep_attribute(item, *attribute);
      const Value* standard = a.get(1, "default");
      out.push_back(found.is(Kind::undefined) && standard ? *standard : found);
    } else {
      Arguments rest{{a.values.begin() + 1, a.values.end()}, a.named};
      out.push_back(apply_filter(budget, a.values[0].as_string(), item, rest));
    }
  }
  return Value::list(std::move(out));
}

// select, reject, selectattr, rejectattr.
template <bool keep, bool by_attribute>
Value f_select(Budget& budget, const Value& v, Arguments& a) {
  size_t skip = by_attribute ? 1 : 0;
  if (a.values.size() < skip) throw Fault{"an attribute is missing"};
  std::vector<Value> out;
  if (!v.truth()) return Value::list({});  // none, too, as Jinja has it
  for (const Value& item : elements(budget, v)) {
    budget.step();
    Value subject = by_attribute ? deep_attribute(item, a.values[0]) : item;
    bool holds = false;
    if (a.values.size() > skip) {
      if (!a.values[skip].is(Kind::string)) throw Fault{"the name of a test is a string"};
      Arguments rest{{a.values.begin() + static_cast<ptrdiff_t>(skip) + 1, a.values.end()}, {}};
      holds = apply_test(budget, a.values[skip].as_string(), subject, rest);
    } else {
      holds = subject.truth();
    }
    if (holds == keep) out.push_back(item);
  }
  return Value::list(std::move(out));
}

Value f_sort(Budget& budget, const Value& v, Arguments& a) {
  auto items = elements(budget, v);
  sort_values(budget, items, a.truth(1, "case_sensitive", false), a.get(2, "attribute"),
              a.truth(0, "reverse", false));
  return Value::list(std::move(items));
}

Value f_dictsort(Budget& budget, const Value& v, Arguments& a) {
  if (!v.is(Kind::map)) throw Fault{"dictsort takes a map"};
  const Value* by = a.get(1, "by");
  bool by_value = by && by->is(Kind::string) && by->as_string() == "value";
  Arguments none;
  auto items = elements(budget, call_method(budget, v, "items", none));
  Value part = Value::integer(by_value ? 1 : 0);
  sort_values(budget, items, a.truth(0, "case_sensitive", false), &part, a.truth(2, "reverse", false));
  return Value::list(std::move(items));
}

Value f_unique(Budget& budget, const Value& v, Arguments& a) {
  bool case_sensitive = a.truth(0, "case_sensitive", false);
  const Value* attribute = a.get(1, "attribute");
  std::vector<Value> out, keys;
  for (const Value& item : elements(budget, v)) {
    Value key = lower_key(attribute ? deep_attribute(item, *attribute) : item, case_sensitive);
    budget.step(static_cast<int64_t>(keys.size()) + key.weight() / 16);
    if (std::any_of(keys.begin(), keys.end(), [&](const Value& k) { return equal(k, key); })) continue;
    keys.push_back(key);
    out.push_back(item);
  }
  return Value::list(std::move(out));
}

Value f_sum(Budget& budget, const Value& v, Arguments& a) {
  const Value* attribute = a.get(0, "attribute");
  const Value* start = a.get(1, "start");
  Value total = start ? *start : Value::integer(0);
  for (const Value& item : elements(budget, v)) {
    total = calculate(budget, Op::add, total, attribute ? deep_attribute(item, *attribute) : item);
  }
  return total;
}

template <bool most>
Value f_extreme(Budget& budget, const Value& v, Arguments& a) {
  auto items = elements(budget, v);
  if (items.empty()) return {};
  sort_values(budget, items, a.truth(0, "case_sensitive", false), a.get(1, "attribute"), most);
  return items.front();
}

Value f_int(Budget& /*budget*/, const Value& v, Arguments& a) {
  const Value* given = a.get(0, "default");
  Value standard = given ? *given : Value::integer(0);
  auto from_real = [&](double x) {
    return std::fabs(x) < 9.2e18 ? Value::integer(static_cast<int64_t>(x)) : standard;
  };
  if (v.is(Kind::boolean)) return Value::integer(v.as_boolean());
  if (v.is(Kind::integer)) return v;
  if (v.is(Kind::real)) return from_real(v.as_real());
  if (!v.is(Kind::string)) return standard;
  std::string s = strip(v.as_text(), "", true, true).bytes;
  if (s.starts_with('+')) s.erase(0, 1);
  int64_t whole = 0;
  auto end = s.data() + s.size();
  int64_t base = a.integer(1, "base", 10);
  if (base < 2 || base > 36) base = 10;
  auto read = std::from_chars(s.data(), end, whole, static_cast<int>(base));
  if (read.ec == std::errc() && read.ptr == end) return Value::integer(whole);
  double real = 0;
  auto read_real = std::from_chars(s.data(), end, real);
  return read_real.ec == std::errc() && read_real.ptr == end ? from_real(real) : standard;
}

Value f_float(Budget& /*budget*/, const Value& v, Arguments& a) {
  const Value* given = a.get(0, "default");
  Value standard = given ? *given : Value::real(0);
  if (v.is_number()) return Value::real(v.number());
  if (!v.is(Kind::string)) return standard;
  std::string s = strip(v.as_text(), "", true, true).bytes;
  if (s.starts_with('+')) s.erase(0, 1);
  double real = 0;
  auto read = std::from_chars(s.data(), s.data() + s.size(), real);
  return read.ec == std::errc() && read.ptr == s.data() + s.size() ? Value::real(real) : standard;
}

Value f_abs(Budget& budget, const Value& v, Arguments& /*a*/) {
  if (v.is(Kind::real)) return Value::real(std::fabs(v.as_real()));
  if (!v.is_number()) throw Fault{"abs takes a number"};
  Value zero = Value::integer(0);
  return less(v, zero) ? calculate(budget, Op::subtract, zero, v) : v;
}

Value f_round(Budget& /*budget*/, const Value& v, Arguments& a) {
  if (!v.is_number()) throw Fault{"round takes a number"};
  int64_t precision = std::clamp<int64_t>(a.integer(0, "precision", 0), 0, 30);
  const Value* method = a.get(1, "method");
  std::string how = method && method->is(Kind::string) ? method->as_string() : "common";
  if (how == "common") {
    // printf rounds the exact binary value, halves to even: what Python's round does.
    char buffer[400];
    int n = std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), v.number());
    double out = 0;
    std::from_chars(buffer, buffer + n, out);
    return v.is(Kind::real) ? Value::real(out) : v;
  }
  if (how != "ceil" && how != "floor") throw Fault{"round's method is common, ceil or floor"};
  double scale = std::pow(10.0, static_cast<double>(precision));
  double scaled = v.number() * scale;
  return Value::real((how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value f_indent(Budget& budget, const Value& v, Arguments& a) {
  const Value* width = a.get(0, "width");
  MarkedText inset;
  if (width && width->is(Kind::string)) {
    inset = width->as_text();
  } else {
    int64_t n = std::max<int64_t>(0, a.integer(0, "width", 4));
    budget.bytes(static_cast<size_t>(n));
    inset = MarkedText(std::string(static_cast<size_t>(n), ' '));
  }
  bool first = a.truth(1, "first", false), blank = a.truth(2, "blank", false);
  MarkedText text = text_of(budget, v);
  text.append("\n");  // so that a line end at the end gives a last, empty line
  auto lines = split_lines(text, false);
  budget.bytes(text.size() + lines.size() * inset.size());
  MarkedText out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append("\n");
    if (i == 0 ? first : blank || lines[i].size() > 0) out.append(inset);
    out.append(lines[i]);
  }
  return Value::string(std::move(out));
}

Value f_wordcount(Budget& budget, const Value& v, Arguments& /*a*/) {
  return Value::integer(static_cast<int64_t>(split_text(text_of(budget, v), "", -1, false).size()));
}

Value f_safe(Budget& /*budget*/, const Value& v, Arguments& /*a*/) { return v; }

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> table = {
      {"abs", f_abs},
      {"capitalize", f_case<Case::capitalize>},
      {"count", f_length},
      {"d", f_default},
      {"default", f_default},
      {"dictsort", f_dictsort},
      {"first", f_first},
      {"float", f_float},
      {"indent", f_indent},
      {"int", f_int},
      {"items", f_items},
      {"join", f_join},
      {"last", f_last},
      {"length", f_length},
      {"list", f_list},
      {"lower", f_case<Case::lower>},
      {"map", f_map},
      {"max", f_extreme<true>},
      {"min", f_extreme<false>},
      {"reject", f_select<false, false>},
      {"rejectattr", f_select<false, true>},
      {"replace", f_replace},
      {"reverse", f_reverse},
      {"round", f_round},
      {"safe", f_safe},
      {"select", f_select<true, false>},
      {"selectattr", f_select<true, true>},
      {"sort", f_sort},
      {"string", f_string},
      {"sum", f_sum},
      {"title", f_case<Case::jinja_title>},
      {"tojson", f_tojson},
      {"trim", f_trim},
      {"unique", f_unique},
      {"upper", f_case<Case::upper>},
      {"wordcount", f_wordcount},
  };
  return table;
}

}  // namespace

bool has_filter(std::string_view name) { return filters().contains(name); }

Value apply_filter(Budget& budget, std::string_view name, const Value& input, Arguments& arguments) {
  auto found = filters().find(name);
  if (found == filters().end()) {
    std::vector<std::string> names;
    for (const auto& [known, unused] : filters()) names.emplace_back(known);
    throw Fault{"no filter \"" + std::string(name) + "\". " + did_you_mean(name, names)};
  }
  return found->second(budget, input, arguments);
}

}  // namespace tessera::templates
