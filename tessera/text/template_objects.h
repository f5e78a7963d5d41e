// The objects that only templates make. Private to the template's own sources.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/text/template_run.h"

namespace tessera::templates {

// Throws Fault for what lists, maps and namespaces may not hold.
inline void refuse_object(const Value& v, const char* holder) {
  if (!v.is(Value::Kind::object)) return;
  auto* callable = dynamic_cast<Callable*>(v.as_object().get());
  if (!callable || !callable->may_be_held()) {
    throw Fault{std::string(holder) + " holds values and macros, no other objects"};
  }
}

class Macro : public Function {
 public:
  using Function::Function;
  bool may_be_held() const override { return true; }
};

// namespace(): the one thing that a template can change from within a loop.
class Namespace : public TemplateObject {
 public:
  Value::Entries entries;
  Value attribute(std::string_view name) const override {
    for (const auto& [key, value] : entries) {
      if (key.as_string() == name) return value;
    }
    return {};
  }
  void set(std::string_view name, const Value& value) {
    refuse_object(value, "a namespace");
    for (auto& [key, old] : entries) {
      if (key.as_string() == name) {
        old = value;
        return;
      }
    }
    entries.emplace_back(Value::string(std::string(name)), value);
  }
};

// The variable `loop`.
class Loop : public TemplateObject {
 public:
  explicit Loop(std::vector<Value> all, int64_t depth) : items(std::move(all)), depth_(depth) {}
  std::vector<Value> items;
  size_t at = 0;
  Value changed_last;
  bool changed_before = false;

  Value attribute(std::string_view name) const override {
    auto i = static_cast<int64_t>(at);
    auto n = static_cast<int64_t>(items.size());
    if (name == "index") return Value::integer(i + 1);
    if (name == "index0") return Value::integer(i);
    if (name == "revindex") return Value::integer(n - i);
    if (name == "revindex0") return Value::integer(n - i - 1);
    if (name == "first") return Value::boolean(i == 0);
    if (name == "last") return Value::boolean(i + 1 == n);
    if (name == "length") return Value::integer(n);
    if (name == "depth") return Value::integer(depth_);
    if (name == "depth0") return Value::integer(depth_ - 1);
    if (name == "previtem") return at > 0 ? items[at - 1] : Value();
    if (name == "nextitem") return at + 1 < items.size() ? items[at + 1] : Value();
    if (name == "cycle") {
      return function([i](Arguments& a) {
        if (a.values.empty()) throw Fault{"cycle takes values"};
        return a.values[static_cast<size_t>(i) % a.values.size()];
      });
    }
    return {};
  }

 private:
  int64_t depth_;
};

}  // namespace tessera::templates
