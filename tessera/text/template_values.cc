// Operators and look-ups on values, as Python has them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tessera/base/error.h"
#include "tessera/text/template_run.h"
#include "tessera/text/template_strings.h"

namespace tessera::templates {
namespace {

using Kind = Value::Kind;

[[noreturn]] void no_operation(std::string_view sign, const Value& a, const Value& b) {
  throw Fault{"\"" + std::string(sign) + "\" does not go with " + std::string(a.kind_name()) +
              " and " + std::string(b.kind_name())};
}

std::string_view sign_of(Op op) {
  switch (op) {
    case Op::add: return "+";
    case Op::subtract: return "-";
    case Op::multiply: return "*";
    case Op::divide: return "/";
    case Op::floor_divide: return "//";
    case Op::modulo: return "%";
    default: return "**";
  }
}

int64_t whole(const Value& v) { return v.is(Kind::boolean) ? v.as_boolean() : v.as_integer(); }

// By reference: the product is made while the first argument is worked out.
int64_t checked(bool overflow, const int64_t& value) {
  if (overflow) throw Fault{"a whole number grows beyond 64 bits"};
  return value;
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  int64_t out = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) checked(__builtin_mul_overflow(out, base, &out), out);
    if (exponent > 1) checked(__builtin_mul_overflow(base, base, &base), base);
  }
  return Value::integer(out);
}

Value on_integers(Op op, int64_t a, int64_t b) {
  int64_t out = 0;
  switch (op) {
    case Op::add: return Value::integer(checked(__builtin_add_overflow(a, b, &out), out));
    case Op::subtract: return Value::integer(checked(__builtin_sub_overflow(a, b, &out), out));
    case Op::multiply: return Value::integer(checked(__builtin_mul_overflow(a, b, &out), out));
    case Op::power: return integer_power(a, b);
    default: break;
  }
  if (b == 0) throw Fault{"division by zero"};
  if (op == Op::divide) return Value::real(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) {  // the one quotient that does not fit
    if (op == Op::modulo) return Value::integer(0);
    return Value::integer(checked(__builtin_sub_overflow(int64_t{0}, a, &out), out));
  }
  int64_t quotient = a / b, rest = a % b;
  if (rest != 0 && (rest < 0) != (b < 0)) {
    --quotient;
    rest += b;
  }
  return Value::integer(op == Op::modulo ? rest : quotient);
}

Value on_reals(Op op, double a, double b) {
  switch (op) {
    case Op::add: return Value::real(a + b);
    case Op::subtract: return Value::real(a - b);
    case Op::multiply: return Value::real(a * b);
    case Op::power: return Value::real(std::pow(a, b));
    default: break;
  }
  if (b == 0) throw Fault{"division by zero"};
  if (op == Op::divide) return Value::real(a / b);
  if (op == Op::floor_divide) return Value::real(std::floor(a / b));
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  return Value::real(rest);
}

Value repeat(Budget& budget, const Value& value, int64_t count) {
  auto times = static_cast<size_t>(std::max<int64_t>(count, 0));
  size_t size = value.is(Kind::string) ? value.as_string().size() : value.as_list().size() * sizeof(Value);
  if (size > 0 && times > std::numeric_limits<size_t>::max() / 2 / size) times = std::numeric_limits<size_t>::max() / 2 / size;
  budget.bytes(size * times);
  if (value.is(Kind::string)) {
    MarkedText out;
    for (size_t i = 0; size > 0 && i < times; ++i) out.append(value.as_text());
    return Value::string(std::move(out));
  }
  std::vector<Value> out;
  for (size_t i = 0; size > 0 && i < times; ++i) {
    out.insert(out.end(), value.as_list().begin(), value.as_list().end());
  }
  return Value::list(std::move(out), value.is_tuple());
}

bool is_whole(const Value& v) { return v.is(Kind::integer) || v.is(Kind::boolean); }

// Index of an element, -1 when it lies outside.
int64_t position(const Value& key, size_t size) {
  if (!is_whole(key)) return -1;
  int64_t i = whole(key);
  if (i < 0) i += static_cast<int64_t>(size);
  return i >= 0 && i < static_cast<int64_t>(size) ? i : -1;
}

}  // namespace

Value calculate(Budget& budget, Op op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (is_whole(a) && is_whole(b)) return on_integers(op, whole(a), whole(b));
    return on_reals(op, a.number(), b.number());
  }
  if (op == Op::add && a.is(Kind::string) && b.is(Kind::string)) {
    budget.bytes(a.as_string().size() + b.as_string().size());
    MarkedText out = a.as_text();
    out.append(b.as_text());
    return Value::string(std::move(out));
  }
  if (op == Op::add && a.is(Kind::list) && b.is(Kind::list) && a.is_tuple() == b.is_tuple()) {
    budget.bytes((a.as_list().size() + b.as_list().size()) * sizeof(Value));
    std::vector<Value> out = a.as_list();
    out.insert(out.end(), b.as_list().begin(), b.as_list().end());
    return Value::list(std::move(out), a.is_tuple());
  }
  auto repeats = [](const Value& v) { return v.is(Kind::string) || v.is(Kind::list); };
  if (op == Op::multiply && repeats(a) && is_whole(b)) return repeat(budget, a, whole(b));
  if (op == Op::multiply && repeats(b) && is_whole(a)) return repeat(budget, b, whole(a));
  no_operation(sign_of(op), a, b);
}

Value attribute_of(Budget& budget, const Value& self, std::string_view name) {
  if (self.is(Kind::object)) return self.as_object()->attribute(name);
  if (has_method(self, name)) {
    return function([&budget, self, method = std::string(name)](Arguments& arguments) {
      return call_method(budget, self, method, arguments);
    });
  }
  const Value* entry = self.find(name);
  return entry ? *entry : Value();
}

Value item_of(const Value& self, const Value& key) {
  if (self.is(Kind::map)) {
    const Value* entry = self.find(key);
    return entry ? *entry : Value();
  }
  if (self.is(Kind::list)) {
    int64_t i = position(key, self.as_list().size());
    return i < 0 ? Value() : self.as_list()[static_cast<size_t>(i)];
  }
  if (self.is(Kind::string)) {
    auto starts = character_starts(self.as_string());
    int64_t i = position(key, starts.size() - 1);
    if (i < 0) return {};
    auto at = static_cast<size_t>(i);
    return Value::string(self.as_text().slice(starts[at], starts[at + 1]));
  }
  if (self.is(Kind::object) && key.is(Kind::string)) {
    return self.as_object()->attribute(key.as_string());
  }
  return {};
}

std::vector<Value> elements(Budget& budget, const Value& value) {
  std::vector<Value> out;
  switch (value.kind()) {
    case Kind::undefined: return out;
    case Kind::list:
      budget.bytes(value.as_list().size() * sizeof(Value));
      return value.as_list();
    case Kind::map:
      budget.bytes(value.as_map().size() * sizeof(Value));
      for (const auto& [key, item] : value.as_map()) out.push_back(key);
      return out;
    case Kind::string: {
      const MarkedText& text = value.as_text();
      budget.bytes(text.size() * (sizeof(Value) + sizeof(MarkedText)));
      for (size_t i = 0; i < text.size();) {
        size_t n = character_length(text.bytes, i);
        out.push_back(Value::string(text.slice(i, i + n)));
        i += n;
      }
      return out;
    }
    default: throw Fault{std::string(value.kind_name()) + " cannot be looped over"};
  }
}

bool contains(Budget& budget, const Value& whole, const Value& part) {
  switch (whole.kind()) {
    case Kind::undefined: return false;
    case Kind::string:
      if (!part.is(Kind::string)) no_operation("in", part, whole);
      budget.step(static_cast<int64_t>(whole.as_string().size() / 64));
      return whole.as_string().find(part.as_string()) != std::string::npos;
    case Kind::list:
      budget.step(static_cast<int64_t>(whole.as_list().size()));
      return std::any_of(whole.as_list().begin(), whole.as_list().end(),
                         [&](const Value& v) { return equal(v, part); });
    case Kind::map:
      budget.step(static_cast<int64_t>(whole.as_map().size()));
      return whole.find(part) != nullptr;
    default: no_operation("in", part, whole);
  }
}

Value slice_of(Budget& budget, const Value& self, const Value& start, const Value& stop,
               const Value& step) {
  if (!self.is(Kind::string) && !self.is(Kind::list)) {
    throw Fault{std::string(self.kind_name()) + " has no slices"};
  }
  auto given = [](const Value& v) { return !v.is(Kind::none); };
  for (const Value* v : {&start, &stop, &step}) {
    if (given(*v) && !is_whole(*v)) throw Fault{"a slice takes whole numbers"};
  }
  std::vector<size_t> starts;
  if (self.is(Kind::string)) {
    budget.bytes(self.as_string().size() * sizeof(size_t));
    starts = character_starts(self.as_string());
  }
  auto size = static_cast<int64_t>(self.is(Kind::string) ? starts.size() - 1 : self.as_list().size());
  int64_t by = given(step) ? whole(step) : 1;
  if (by == 0) throw Fault{"the step of a slice is 0"};
  by = std::clamp<int64_t>(by, -(size + 1), size + 1);
  auto bound = [&](const Value& v, int64_t standard) {
    if (!given(v)) return standard;
    int64_t i = whole(v);
    if (i < 0) i = i < -size ? -1 : i + size;
    return by > 0 ? std::clamp<int64_t>(i, 0, size) : std::clamp<int64_t>(i, -1, size - 1);
  };
  int64_t from = bound(start, by > 0 ? 0 : size - 1), to = bound(stop, by > 0 ? size : -1);
  auto each = [&](auto&& take) {
    for (int64_t i = from; by > 0 ? i < to : i > to; i += by) take(static_cast<size_t>(i));
  };
  if (self.is(Kind::string)) {
    if (by == 1) {
      to = std::max(from, to);
      return Value::string(self.as_text().slice(starts[static_cast<size_t>(from)], starts[static_cast<size_t>(to)]));
    }
    MarkedText out;
    each([&](size_t i) { out.append(self.as_text(), starts[i], starts[i + 1]); });
    return Value::string(std::move(out));
  }
  std::vector<Value> out;
  budget.bytes(self.as_list().size() * sizeof(Value));
  each([&](size_t i) { out.push_back(self.as_list()[i]); });
  return Value::list(std::move(out), self.is_tuple());
}

}  // namespace tessera::templates
