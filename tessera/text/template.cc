#include "tessera/text/template.h"

#include <algorithm>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/text/template_run.h"

namespace tessera {
namespace templates {

const Value* Arguments::get(size_t position, std::string_view name) const {
  if (position < values.size()) return &values[position];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

int64_t Arguments::integer(size_t position, std::string_view name, int64_t standard) const {
  const Value* v = get(position, name);
  if (!v || v->is(Value::Kind::none)) return standard;
  if (v->is(Value::Kind::boolean)) return v->as_boolean();
  if (!v->is(Value::Kind::integer)) {
    throw Fault{std::string(name) + " is " + std::string(v->kind_name()) + ", not a whole number"};
  }
  return v->as_integer();
}

bool Arguments::truth(size_t position, std::string_view name, bool standard) const {
  const Value* v = get(position, name);
  return v ? v->truth() : standard;
}

void Budget::bytes(size_t count) {
  step(static_cast<int64_t>(std::min<size_t>(count / 64, size_t{1} << 40)));
  if (count > static_cast<size_t>(limits_.bytes) ||
      (bytes_ += static_cast<int64_t>(count)) > limits_.bytes) {
    used_up("bytes made in values", limits_.bytes);
  }
}

void Budget::used_up(const char* what, int64_t limit) const {
  throw Fault{"the template uses more than " + std::to_string(limit) + " " + what};
}

namespace {

using Kind = Value::Kind;

// Content, but for roles that are plain words.
Value mark_content(const Value& v, bool roles) {
  switch (v.kind()) {
    case Kind::string:
      return Value::string(v.as_string(), true);
    case Kind::list: {
      std::vector<Value> items;
      for (const Value& item : v.as_list()) items.push_back(mark_content(item, roles));
      return Value::list(std::move(items));
    }
    case Kind::map: {
      Value::Entries entries;
      for (const auto& [key, item] : v.as_map()) {
        bool role = roles && key.is(Kind::string) && key.as_string() == "role" &&
                    item.is(Kind::string) &&
                    std::all_of(item.as_string().begin(), item.as_string().end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '_' || c == '-';
                    });
        entries.emplace_back(mark_content(key, false),
                             role ? Value::string(item.as_string()) : mark_content(item, false));
      }
      return Value::map(std::move(entries));
    }
    default:
      return v;
  }
}

}  // namespace
}  // namespace templates

Template::Template(std::string_view source, std::string name) : name_(std::move(name)) {
  constexpr size_t kMost = size_t{16} << 20;
  if (source.size() > kMost) {
    throw Error(name_, "it has " + std::to_string(source.size()) + " bytes, at most " +
                           std::to_string(kMost) + " are read");
  }
  body_ = std::make_shared<const std::vector<templates::Statement>>(
      templates::parse(templates::split(source, name_), name_));
}

MarkedText Template::render(const Value& variables, const RenderOptions& options) const {
  return templates::run_template(name_, *body_, variables, options);
}

MarkedText render_chat(const Template& chat_template, const Chat& chat,
                       const RenderOptions& options) {
  Value::Entries variables;
  auto set = [&](const char* name, Value value) {
    variables.emplace_back(Value::string(std::string(name)), std::move(value));
  };
  auto optional = [](const Value& v) {
    return v.is(Value::Kind::undefined) ? Value::none() : templates::mark_content(v, false);
  };
  // What the caller names comes first, so that it wins.
  for (const auto& [name, value] : chat.arguments) set(name.c_str(), value);
  set("messages", templates::mark_content(chat.messages, true));
  set("tools", optional(chat.tools));
  set("documents", optional(chat.documents));
  set("bos_token", Value::string(chat.bos_token));
  set("eos_token", Value::string(chat.eos_token));
  set("add_generation_prompt", Value::boolean(chat.add_generation_prompt));
  return chat_template.render(Value::map(std::move(variables)), options);
}

}  // namespace tessera
