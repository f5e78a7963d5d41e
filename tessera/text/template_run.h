// The state of a template being rendered, as its built-in functions see it. Private to the
// template's own sources.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/text/template.h"
#include "tessera/text/template_ast.h"

namespace tessera::templates {

// What a built-in cannot do with what it was given; the interpreter adds the place.
struct Fault {
  std::string what;
};

struct Arguments {
  std::vector<Value> values;
  std::vector<std::pair<std::string, Value>> named;
  // By position or by name; null when left out.
  const Value* get(size_t position, std::string_view name) const;
  int64_t integer(size_t position, std::string_view name, int64_t standard) const;
  bool truth(size_t position, std::string_view name, bool standard) const;
  // Refuses more arguments than `most` and names that are not in `names`.
  void check(size_t most, const std::vector<std::string_view>& names) const;
};

// Counts down what a rendering may use. Throws Error when it is used up.
class Budget {
 public:
  explicit Budget(const TemplateLimits& limits) : limits_(limits) {}
  void step(int64_t count = 1) {
    if ((steps_ += count) > limits_.steps) used_up("steps", limits_.steps);
  }
  // Before so many bytes of strings or lists are made.
  void bytes(size_t count);
  const TemplateLimits& limits() const { return limits_; }

 private:
  [[noreturn]] void used_up(const char* what, int64_t limit) const;
  TemplateLimits limits_;
  int64_t steps_ = 0, bytes_ = 0;
};

class Callable : public TemplateObject {
 public:
  virtual Value call(Arguments& arguments) = 0;
  // Whether lists and namespaces may hold it: it holds no values itself, so that nothing can come to
  // hold itself or grow without end.
  virtual bool may_be_held() const { return false; }
  Value attribute(std::string_view /*name*/) const override { return {}; }
};

class Function : public Callable {
 public:
  explicit Function(std::function<Value(Arguments&)> function) : function_(std::move(function)) {}
  Value call(Arguments& arguments) override { return function_(arguments); }

 private:
  std::function<Value(Arguments&)> function_;
};

inline Value function(std::function<Value(Arguments&)> f) {
  return Value::object(std::make_shared<Function>(std::move(f)));
}

bool has_filter(std::string_view name);
Value apply_filter(Budget& budget, std::string_view name, const Value& input, Arguments& arguments);
bool apply_test(Budget& budget, std::string_view name, const Value& input, Arguments& arguments);
// Methods of strings, lists and maps.
bool has_method(const Value& self, std::string_view name);
Value call_method(Budget& budget, const Value& self, std::string_view name, Arguments& arguments);

// a.name and a[key] as Jinja looks them up; undefined when there is none.
Value attribute_of(Budget& budget, const Value& self, std::string_view name);
Value item_of(const Value& self, const Value& key);
// What `for` runs over.
std::vector<Value> elements(Budget& budget, const Value& value);
bool contains(Budget& budget, const Value& whole, const Value& part);
Value slice_of(Budget& budget, const Value& self, const Value& start, const Value& stop,
               const Value& step);
Value calculate(Budget& budget, Op op, const Value& a, const Value& b);

}  // namespace tessera::templates
