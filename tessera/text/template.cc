#include "tessera/text/template.h"

#include <algorithm>
#include <chrono>
#include <ctime>
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
  if (count > static_cast<size_t>(limits_.bytes) || (bytes_ += static_cast<int64_t>(count)) > limits_.bytes) {
    used_up("bytes made in values", limits_.bytes);
  }
}

void Budget::used_up(const char* what, int64_t limit) const {
  throw Fault{"the template uses more than " + std::to_string(limit) + " " + what};
}

namespace {

using Kind = Value::Kind;
using Body = std::vector<Statement>;

void refuse_object(const Value& v, const char* holder) {
  if (!v.is(Kind::object)) return;
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

enum class Flow : uint8_t { on, next, out };

class Run {
 public:
  Run(const std::string& name, const Value& variables, const RenderOptions& options)
      : name_(name), variables_(variables), options_(options), budget_(options.limits) {
    scopes_.emplace_back();
  }

  MarkedText render(const Body& body) {
    run(body);
    return std::move(output_);
  }

 private:
  [[noreturn]] void fail(Place place, const std::string& what, const std::string& remedy = "") const {
    throw Error(place_text(name_, place), what, remedy);
  }

  // Bounds how deep the program's own stack goes.
  struct Level {
    Level(Run& r, Place place) : run(r) {
      if (++run.depth_ > run.options_.limits.depth) {
        --run.depth_;
        run.fail(place, "the template is nested more than " +
                            std::to_string(run.options_.limits.depth) + " deep");
      }
    }
    ~Level() { --run.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    Run& run;
  };

  using Scope = std::vector<std::pair<std::string_view, Value>>;
  struct Scoped {
    explicit Scoped(Run& r) : run(r) { run.scopes_.emplace_back(); }
    ~Scoped() { run.scopes_.pop_back(); }
    Scoped(const Scoped&) = delete;
    Scoped& operator=(const Scoped&) = delete;
    Run& run;
  };

  void assign(std::string_view name, Value value) {
    for (auto& [key, old] : scopes_.back()) {
      if (key == name) {
        old = std::move(value);
        return;
      }
    }
    scopes_.back().emplace_back(name, std::move(value));
  }

  const Value* in_scope(size_t scope, std::string_view name) const {
    for (const auto& [key, value] : scopes_[scope]) {
      if (key == name) return &value;
    }
    return nullptr;
  }

  Value look_up(const std::string& name) {
    for (size_t i = scopes_.size(); i-- > first_scope_;) {
      if (const Value* v = in_scope(i, name)) return *v;
    }
    if (first_scope_ > 0) {
      if (const Value* v = in_scope(0, name)) return *v;
    }
    if (const Value* v = variables_.find(name)) return *v;
    return global(name);
  }

  Value global(std::string_view name) {
    if (name == "namespace") return function([](Arguments& a) { return make_namespace(a); });
    if (name == "range") return function([this](Arguments& a) { return range(a); });
    if (name == "dict") return function([](Arguments& a) { return dict(a); });
    if (name == "raise_exception") {
      return function([this](Arguments& a) -> Value {
        Value message = a.values.empty() ? Value::string("no reason given") : a.values[0];
        throw Error(name_, print(message).bytes, "The template refuses this conversation.");
      });
    }
    if (name == "strftime_now") return function([this](Arguments& a) { return time_text(a); });
    return {};
  }

  static Value make_namespace(Arguments& a) {
    auto out = std::make_shared<Namespace>();
    for (const Value& map : a.values) {
      if (!map.is(Kind::map)) throw Fault{"namespace takes names and maps"};
      for (const auto& [key, value] : map.as_map()) {
        if (!key.is(Kind::string)) throw Fault{"a name is a string"};
        out->set(key.as_string(), value);
      }
    }
    for (const auto& [key, value] : a.named) out->set(key, value);
    return Value::object(std::move(out));
  }

  static Value dict(Arguments& a) {
    Value::Entries entries;
    for (const Value& map : a.values) {
      if (!map.is(Kind::map)) throw Fault{"dict takes names and maps"};
      entries.insert(entries.end(), map.as_map().begin(), map.as_map().end());
    }
    for (auto& [key, value] : a.named) {
      refuse_object(value, "a map");
      put(entries, Value::string(key), value);
    }
    return Value::map(std::move(entries));
  }

  static void put(Value::Entries& entries, Value key, Value value) {
    if (key.is(Kind::list) || key.is(Kind::map) || key.is(Kind::object)) {
      throw Fault{std::string(key.kind_name()) + " cannot be a key"};
    }
    for (auto& [known, old] : entries) {
      if (equal(known, key)) {
        old = std::move(value);
        return;
      }
    }
    entries.emplace_back(std::move(key), std::move(value));
  }

  Value range(Arguments& a) {
    if (a.values.empty() || a.values.size() > 3) throw Fault{"range takes one to three numbers"};
    int64_t from = a.values.size() > 1 ? a.integer(0, "start", 0) : 0;
    int64_t to = a.integer(a.values.size() > 1 ? 1 : 0, "stop", 0);
    int64_t by = a.integer(2, "step", 1);
    if (by == 0) throw Fault{"the step of a range is 0"};
    // As Jinja's sandbox: no range of more than 100,000.
    std::vector<Value> out;
    for (int64_t i = from; by > 0 ? i < to : i > to;) {
      if (out.size() == 100000) throw Fault{"a range has 100000 numbers at most"};
      out.push_back(Value::integer(i));
      if (__builtin_add_overflow(i, by, &i)) break;
    }
    budget_.bytes(out.size() * sizeof(Value));
    return Value::list(std::move(out));
  }

  Value time_text(Arguments& a) const {
    if (a.values.size() != 1 || !a.values[0].is(Kind::string)) throw Fault{"strftime_now takes a format"};
    std::time_t now = options_.now ? static_cast<std::time_t>(*options_.now) : std::time(nullptr);
    std::tm parts{};
    localtime_r(&now, &parts);
    const std::string& format = a.values[0].as_string();
    if (format.size() > 200) throw Fault{"the format is longer than 200 bytes"};
    char buffer[4096];
    return Value::string(std::string(buffer, std::strftime(buffer, sizeof buffer, format.c_str(), &parts)));
  }

  // Statements.

  Flow run(const Body& body) {
    for (const Statement& s : body) {
      Flow flow = run(s);
      if (flow != Flow::on) return flow;
    }
    return Flow::on;
  }

  void write(const MarkedText& text) {
    output_.append(text);
    if (static_cast<int64_t>(output_.size()) > options_.limits.output) {
      throw Fault{"the text is longer than " + std::to_string(options_.limits.output) + " bytes"};
    }
  }

  // What `body` writes.
  MarkedText captured(const Body& body, Flow* flow = nullptr) {
    MarkedText outer = std::exchange(output_, {});
    try {
      Flow f = run(body);
      if (flow) *flow = f;
    } catch (...) {
      output_ = std::move(outer);
      throw;
    }
    budget_.bytes(output_.size());
    return std::exchange(output_, std::move(outer));
  }

  Flow run(const Statement& s) {
    Level level(*this, s.place);
    try {
      budget_.step();
      switch (s.act) {
        case Act::text: write_text(s.text); return Flow::on;
        case Act::print: print_value(evaluate(*s.a)); return Flow::on;
        case Act::for_: return loop(s);
        case Act::if_: return run(evaluate(*s.a).truth() ? s.body : s.other);
        case Act::set: unpack(s.names, evaluate(*s.a)); return Flow::on;
        case Act::set_member: set_member(s); return Flow::on;
        case Act::set_block: set_block(s); return Flow::on;
        case Act::macro: macro(s); return Flow::on;
        case Act::block: {
          Scoped scope(*this);
          return run(s.body);
        }
        case Act::filter: print_value(through(s)); return Flow::on;
        case Act::break_: return Flow::out;
        case Act::continue_: return Flow::next;
      }
    } catch (const Fault& fault) {
      fail(s.place, fault.what);
    } catch (const Error& error) {
      if (error.where().empty()) fail(s.place, error.fault(), error.remedy());
      throw;
    }
    return Flow::on;
  }

  void write_text(const std::string& text) {
    output_.append(text);
    budget_.step(static_cast<int64_t>(text.size() / 64));
    if (static_cast<int64_t>(output_.size()) > options_.limits.output) write(MarkedText());
  }

  void print_value(const Value& value) {
    if (value.is(Kind::string)) {
      budget_.step(value.weight() / 64);
      return write(value.as_text());
    }
    budget_.bytes(static_cast<size_t>(value.weight()) * 2);
    write(print(value));
  }

  Flow loop(const Statement& s) {
    std::vector<Value> items = elements(budget_, evaluate(*s.a));
    if (s.b) {
      std::vector<Value> kept;
      for (Value& item : items) {
        Scoped scope(*this);
        unpack(s.names, item);
        if (evaluate(*s.b).truth()) kept.push_back(std::move(item));
      }
      items = std::move(kept);
    }
    if (items.empty()) {
      Scoped scope(*this);
      return run(s.other);
    }
    auto state = std::make_shared<Loop>(std::move(items), ++loops_);
    Flow flow = Flow::on;
    for (size_t i = 0; i < state->items.size(); ++i) {
      state->at = i;
      Scoped scope(*this);
      assign("loop", Value::object(state));
      unpack(s.names, state->items[i]);
      flow = run(s.body);
      if (flow == Flow::out) break;
    }
    --loops_;
    return Flow::on;
  }

  void unpack(const std::vector<std::string>& names, Value value) {
    if (names.size() == 1) return assign(names[0], std::move(value));
    auto parts = elements(budget_, value);
    if (parts.size() != names.size()) {
      throw Fault{std::to_string(names.size()) + " names for " + std::to_string(parts.size()) + " values"};
    }
    for (size_t i = 0; i < names.size(); ++i) assign(names[i], std::move(parts[i]));
  }

  void set_member(const Statement& s) {
    Value target = look_up(s.names[0]);
    auto* space = target.is(Kind::object) ? dynamic_cast<Namespace*>(target.as_object().get()) : nullptr;
    if (!space) throw Fault{s.names[0] + " is no namespace: its members cannot be set"};
    Value value = evaluate(*s.a);
    space->set(s.names[1], value);
  }

  // What the body writes, through the statement's filters.
  Value through(const Statement& s) {
    Scoped scope(*this);
    MarkedText text = captured(s.body);
    Value value = Value::string(std::move(text));
    if (!s.a) return value;
    assign(kBlockText, value);
    return evaluate(*s.a);
  }

  void set_block(const Statement& s) {
    Value value = through(s);
    assign(s.names[0], std::move(value));
  }

  void macro(const Statement& s) {
    assign(s.text, Value::object(std::make_shared<Macro>(
                       [this, &s](Arguments& a) { return call_macro(s, a); })));
  }

  Value call_macro(const Statement& s, Arguments& a) {
    if (a.values.size() > s.names.size()) {
      throw Fault{s.text + " takes " + std::to_string(s.names.size()) + " values at most"};
    }
    for (const auto& [name, unused] : a.named) {
      if (std::find(s.names.begin(), s.names.end(), name) == s.names.end()) {
        throw Fault{s.text + " has no parameter \"" + name + "\""};
      }
    }
    // A macro sees its parameters and the template's outermost variables.
    size_t outer = std::exchange(first_scope_, scopes_.size());
    int64_t outer_loops = std::exchange(loops_, 0);
    struct Restore {
      Run& run;
      size_t scope;
      int64_t loops;
      ~Restore() {
        run.first_scope_ = scope;
        run.loops_ = loops;
      }
    } restore{*this, outer, outer_loops};
    Scoped scope(*this);
    size_t required = s.names.size() - s.defaults.size();
    for (size_t i = 0; i < s.names.size(); ++i) {
      const Value* given = a.get(i, s.names[i]);
      assign(s.names[i], given ? *given : i >= required ? evaluate(*s.defaults[i - required]) : Value());
    }
    return Value::string(captured(s.body));
  }

  // Expressions.

  Value evaluate(const Expression& e) {
    Level level(*this, e.place);
    try {
      budget_.step();
      return value_of(e);
    } catch (const Fault& fault) {
      fail(e.place, fault.what);
    } catch (const Error& error) {
      if (error.where().empty()) fail(e.place, error.fault(), error.remedy());
      throw;
    }
  }

  Value value_of(const Expression& e) {
    switch (e.op) {
      case Op::literal: return e.value;
      case Op::name: return look_up(e.text);
      case Op::list:
      case Op::tuple: return list(e);
      case Op::map: return map(e);
      case Op::attribute: return attribute_of(budget_, defined(*e.kids[0]), e.text);
      case Op::item: {
        Value self = defined(*e.kids[0]);
        Value key = evaluate(*e.kids[1]);
        if (self.is(Kind::map)) budget_.step(static_cast<int64_t>(self.as_map().size() / 16));
        return item_of(self, key);
      }
      case Op::slice: return slice(e);
      case Op::call: return call(e);
      case Op::filter: {
        Value input = evaluate(*e.kids[0]);
        Arguments a = arguments(e);
        return apply_filter(budget_, e.text, input, a);
      }
      case Op::test: {
        Value input = evaluate(*e.kids[0]);
        Arguments a = arguments(e);
        return Value::boolean(apply_test(budget_, e.text, input, a));
      }
      case Op::negate: return calculate(budget_, Op::subtract, Value::integer(0), number(e));
      case Op::plus: return number(e);
      case Op::not_: return Value::boolean(!evaluate(*e.kids[0]).truth());
      case Op::and_: {
        Value left = evaluate(*e.kids[0]);
        return left.truth() ? evaluate(*e.kids[1]) : left;
      }
      case Op::or_: {
        Value left = evaluate(*e.kids[0]);
        return left.truth() ? left : evaluate(*e.kids[1]);
      }
      case Op::concat: return concatenation(e);
      case Op::compare: return comparison(e);
      case Op::choose:
        if (evaluate(*e.kids[1]).truth()) return evaluate(*e.kids[0]);
        return e.kids[2] ? evaluate(*e.kids[2]) : Value();
      case Op::splat: throw Fault{"* stands only among the arguments of a call"};
      default: {
        Value left = defined(*e.kids[0]);
        return calculate(budget_, e.op, left, defined(*e.kids[1]));
      }
    }
  }

  // For messages: message.content, tools[0].
  static std::string described(const Expression& e, int most = 4) {
    if (e.op == Op::name) return e.text;
    if (most > 0 && e.op == Op::attribute) return described(*e.kids[0], most - 1) + "." + e.text;
    if (most > 0 && e.op == Op::item && e.kids[1]->op == Op::literal && e.kids[1]->value.is(Kind::string)) {
      return described(*e.kids[0], most - 1) + "." + e.kids[1]->value.as_string();
    }
    return "a value";
  }

  Value defined(const Expression& e) {
    Value v = evaluate(e);
    if (v.is(Kind::undefined)) fail(e.place, described(e) + " is undefined");
    return v;
  }

  Value number(const Expression& e) {
    Value v = defined(*e.kids[0]);
    if (!v.is_number()) throw Fault{std::string(v.kind_name()) + " has no sign"};
    return v;
  }

  Value list(const Expression& e) {
    std::vector<Value> items;
    items.reserve(e.kids.size());
    for (const auto& kid : e.kids) {
      items.push_back(evaluate(*kid));
      refuse_object(items.back(), "a list");
    }
    budget_.bytes(items.size() * sizeof(Value));
    return Value::list(std::move(items), e.op == Op::tuple);
  }

  Value map(const Expression& e) {
    Value::Entries entries;
    for (size_t i = 0; i + 1 < e.kids.size(); i += 2) {
      Value key = evaluate(*e.kids[i]);
      Value value = evaluate(*e.kids[i + 1]);
      refuse_object(value, "a map");
      budget_.step(static_cast<int64_t>(entries.size() / 16));
      put(entries, std::move(key), std::move(value));
    }
    budget_.bytes(entries.size() * 2 * sizeof(Value));
    return Value::map(std::move(entries));
  }

  Value slice(const Expression& e) {
    Value parts[3];
    Value self = defined(*e.kids[0]);
    for (size_t i = 0; i < 3; ++i) {
      parts[i] = e.kids[i + 1] ? evaluate(*e.kids[i + 1]) : Value::none();
    }
    return slice_of(budget_, self, parts[0], parts[1], parts[2]);
  }

  Arguments arguments(const Expression& e) {
    Arguments out;
    size_t plain = e.kids.size() - e.words.size();
    for (size_t i = 1; i < e.kids.size(); ++i) {
      if (e.kids[i]->op == Op::splat) {
        for (Value& v : elements(budget_, evaluate(*e.kids[i]->kids[0]))) {
          out.values.push_back(std::move(v));
        }
        continue;
      }
      Value v = evaluate(*e.kids[i]);
      if (i < plain) {
        out.values.push_back(std::move(v));
      } else {
        out.named.emplace_back(e.words[i - plain], std::move(v));
      }
    }
    return out;
  }

  Value call(const Expression& e) {
    Value callee = evaluate(*e.kids[0]);
    auto* callable = callee.is(Kind::object) ? dynamic_cast<Callable*>(callee.as_object().get()) : nullptr;
    if (!callable) throw Fault{described(*e.kids[0]) + " cannot be called: it is " + std::string(callee.kind_name())};
    Arguments a = arguments(e);
    return callable->call(a);
  }

  Value concatenation(const Expression& e) {
    MarkedText out;
    for (const auto& kid : e.kids) {
      Value v = evaluate(*kid);
      budget_.bytes(static_cast<size_t>(v.weight()) * 2);
      out.append(print(v));
    }
    return Value::string(std::move(out));
  }

  Value comparison(const Expression& e) {
    Value left = evaluate(*e.kids[0]);
    for (size_t i = 0; i < e.words.size(); ++i) {
      Value right = evaluate(*e.kids[i + 1]);
      budget_.step((left.weight() + right.weight()) / 64);
      if (!compare(e.words[i], left, right)) return Value::boolean(false);
      left = std::move(right);
    }
    return Value::boolean(true);
  }

  bool compare(const std::string& op, const Value& a, const Value& b) {
    if (op == "==") return equal(a, b);
    if (op == "!=") return !equal(a, b);
    if (op == "in") return contains(budget_, b, a);
    if (op == "not in") return !contains(budget_, b, a);
    if (op == "<") return less(a, b);
    if (op == ">") return less(b, a);
    return op == "<=" ? !less(b, a) : !less(a, b);
  }

  const std::string& name_;
  const Value& variables_;
  const RenderOptions& options_;
  Budget budget_;
  MarkedText output_;
  std::vector<Scope> scopes_;
  size_t first_scope_ = 0;  // of the macro being run; scope 0 is always seen
  int64_t depth_ = 0, loops_ = 0;
};

// Content, but for roles that are plain words.
Value mark_content(const Value& v, bool roles) {
  switch (v.kind()) {
    case Kind::string: return Value::string(v.as_string(), true);
    case Kind::list: {
      std::vector<Value> items;
      for (const Value& item : v.as_list()) items.push_back(mark_content(item, roles));
      return Value::list(std::move(items));
    }
    case Kind::map: {
      Value::Entries entries;
      for (const auto& [key, item] : v.as_map()) {
        bool role = roles && key.is(Kind::string) && key.as_string() == "role" && item.is(Kind::string) &&
                    std::all_of(item.as_string().begin(), item.as_string().end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                             c == '_' || c == '-';
                    });
        entries.emplace_back(mark_content(key, false),
                             role ? Value::string(item.as_string()) : mark_content(item, false));
      }
      return Value::map(std::move(entries));
    }
    default: return v;
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
  return templates::Run(name_, variables, options).render(*body_);
}

MarkedText render_chat(const Template& chat_template, const Chat& chat, const RenderOptions& options) {
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
