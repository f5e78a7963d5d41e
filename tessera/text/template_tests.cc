// The tests of templates (`x is defined`), as Jinja 3 defines them.
#include <algorithm>
#include <map>

#include "tessera/base/error.h"
#include "tessera/text/template_run.h"
#include "tessera/text/template_strings.h"

namespace tessera::templates {
namespace {

using Kind = Value::Kind;
using Test = bool (*)(Budget&, const Value&, Arguments&);

template <Kind kind>
bool is_kind(Budget& /*budget*/, const Value& v, Arguments& /*a*/) {
  return v.is(kind);
}

const Value& other(const Arguments& a) {
  if (a.values.size() != 1) throw Fault{"the test takes one value"};
  return a.values[0];
}

bool same(Budget& budget, const Value& v, Arguments& a) {
  budget.step(v.weight() / 16);
  return equal(v, other(a));
}

int64_t whole_number(const Value& v) {
  if (v.is(Kind::boolean)) return v.as_boolean();
  if (!v.is(Kind::integer)) throw Fault{"the test takes whole numbers"};
  return v.as_integer();
}

const std::map<std::string_view, Test>& tests() {
  static const std::map<std::string_view, Test> table = {
      {"defined", [](Budget&, const Value& v, Arguments&) { return !v.is(Kind::undefined); }},
      {"undefined", is_kind<Kind::undefined>},
      {"none", is_kind<Kind::none>},
      {"boolean", is_kind<Kind::boolean>},
      {"integer", is_kind<Kind::integer>},
      {"float", is_kind<Kind::real>},
      {"string", is_kind<Kind::string>},
      {"mapping", is_kind<Kind::map>},
      {"number", [](Budget&, const Value& v, Arguments&) { return v.is_number(); }},
      {"true",
       [](Budget&, const Value& v, Arguments&) { return v.is(Kind::boolean) && v.as_boolean(); }},
      {"false",
       [](Budget&, const Value& v, Arguments&) { return v.is(Kind::boolean) && !v.as_boolean(); }},
      {"sequence",
       [](Budget&, const Value& v, Arguments&) {
         return v.is(Kind::string) || v.is(Kind::list) || v.is(Kind::map) || v.is(Kind::undefined);
       }},
      {"iterable",
       [](Budget&, const Value& v, Arguments&) {
         return v.is(Kind::string) || v.is(Kind::list) || v.is(Kind::map) || v.is(Kind::undefined);
       }},
      {"callable",
       [](Budget&, const Value& v, Arguments&) {
         return v.is(Kind::object) && dynamic_cast<Callable*>(v.as_object().get()) != nullptr;
       }},
      {"odd", [](Budget&, const Value& v, Arguments&) { return whole_number(v) % 2 != 0; }},
      {"even", [](Budget&, const Value& v, Arguments&) { return whole_number(v) % 2 == 0; }},
      {"divisibleby",
       [](Budget&, const Value& v, Arguments& a) {
         int64_t by = whole_number(other(a));
         if (by == 0) throw Fault{"division by zero"};
         return by == -1 || whole_number(v) % by == 0;
       }},
      {"lower",
       [](Budget&, const Value& v, Arguments&) {
         return v.is(Kind::string) &&
                change_case(v.as_text(), Case::lower).bytes == v.as_string() &&
                change_case(v.as_text(), Case::upper).bytes != v.as_string();
       }},
      {"upper",
       [](Budget&, const Value& v, Arguments&) {
         return v.is(Kind::string) &&
                change_case(v.as_text(), Case::upper).bytes == v.as_string() &&
                change_case(v.as_text(), Case::lower).bytes != v.as_string();
       }},
      {"in",
       [](Budget& budget, const Value& v, Arguments& a) { return contains(budget, other(a), v); }},
      {"sameas", [](Budget& budget, const Value& v,
                    Arguments& a) { return v.kind() == other(a).kind() && same(budget, v, a); }},
      {"filter", [](Budget&, const Value& v,
                    Arguments&) { return v.is(Kind::string) && has_filter(v.as_string()); }},
      {"eq", same},
      {"equalto", same},
      {"==", same},
      {"ne", [](Budget& b, const Value& v, Arguments& a) { return !same(b, v, a); }},
      {"!=", [](Budget& b, const Value& v, Arguments& a) { return !same(b, v, a); }},
      {"lt", [](Budget&, const Value& v, Arguments& a) { return less(v, other(a)); }},
      {"lessthan", [](Budget&, const Value& v, Arguments& a) { return less(v, other(a)); }},
      {"<", [](Budget&, const Value& v, Arguments& a) { return less(v, other(a)); }},
      {"gt", [](Budget&, const Value& v, Arguments& a) { return less(other(a), v); }},
      {"greaterthan", [](Budget&, const Value& v, Arguments& a) { return less(other(a), v); }},
      {">", [](Budget&, const Value& v, Arguments& a) { return less(other(a), v); }},
      {"le", [](Budget&, const Value& v, Arguments& a) { return !less(other(a), v); }},
      {"<=", [](Budget&, const Value& v, Arguments& a) { return !less(other(a), v); }},
      {"ge", [](Budget&, const Value& v, Arguments& a) { return !less(v, other(a)); }},
      {">=", [](Budget&, const Value& v, Arguments& a) { return !less(v, other(a)); }},
  };
  return table;
}

}  // namespace

bool apply_test(Budget& budget, std::string_view name, const Value& input, Arguments& arguments) {
  auto found = tests().find(name);
  if (found == tests().end()) {
    std::vector<std::string> names;
    for (const auto& [known, unused] : tests()) names.emplace_back(known);
    throw Fault{"no test \"" + std::string(name) + "\". " + did_you_mean(name, names)};
  }
  return found->second(budget, input, arguments);
}

}  // namespace tessera::templates
