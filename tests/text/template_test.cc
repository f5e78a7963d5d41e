#include "tessera/text/template.h"

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/random.h"

namespace tessera {
namespace {

// What Python's jinja2 gives stands beside each case; tests/parity/test_templates.py compares with
// it directly.
std::string render(const std::string& source, const std::string& json = "{}") {
  return Template(source, "t").render(Value::parse_json(json, false, "test"), {.now = 1735689600}).bytes;
}

std::string message(const std::string& source, const std::string& json = "{}",
                    const RenderOptions& options = {}) {
  try {
    Template(source, "t").render(Value::parse_json(json, false, "test"), options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Template, TagsTakeTheirLineEndAndTheBlanksInFrontOfThem) {
  EXPECT_EQ(render("a\n  {% if true %}\nb\n  {% endif %}\nc"), "a\nb\nc");
  EXPECT_EQ(render("a\n  {{ 1 }}\nb\n"), "a\n  1\nb");
  EXPECT_EQ(render("a \n {%- if true -%} \n b {%- endif %} c"), "ab c");
  EXPECT_EQ(render("a\n  {%+ if true +%}\nb{% endif %}"), "a\n  \nb");
  EXPECT_EQ(render("x {# note #}\ny {#- note -#} \n z"), "x yz");
  EXPECT_EQ(render("{% raw %}{{ x }}{% endraw %}"), "{{ x }}");
}

TEST(Template, OperatorsBindAsInJinja) {
  EXPECT_EQ(render("{{ 1 ~ 2 * 3 }}"), "16");
  EXPECT_NE(message("{{ 1 + 2 ~ 3 }}"), "");  // ~ binds tighter than +: a number and a string
  EXPECT_EQ(render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 }}"), "-4 2 3.5 8");
  EXPECT_EQ(render("{{ not x is defined and 1 < 2 < 3 }}"), "True");
  EXPECT_EQ(render("{{ 'a' if false else 'b' if true else 'c' }}{{ 'x' if false }}"), "b");
  EXPECT_EQ(render("{{ 1 in [1, 2] }}{{ 'b' not in 'abc' }}{{ 'k' in {'k': 1} }}"), "TrueFalseTrue");
}

TEST(Template, LoopsKnowWhereTheyAre) {
  EXPECT_EQ(render("{% for x in 'abc' %}{{ loop.index }}{{ x }}{{ '' if loop.last else ',' }}{% endfor %}"), "1a,2b,3c");
  EXPECT_EQ(render("{% for x in [] %}x{% else %}none{% endfor %}"), "none");
  EXPECT_EQ(render("{% for x in range(9) if x is odd %}{% if x == 7 %}{% break %}{% endif %}{{ x }}{% endfor %}"), "135");
  EXPECT_EQ(render("{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}", R"({"d": {"b": 1, "a": 2}})"), "b1a2");
  EXPECT_EQ(render("{% for x in [1, 2] %}{{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}"), "-2;1-;");
}

TEST(Template, ALoopSetsNothingOutsideButMembersOfANamespace) {
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}"), "1");
  EXPECT_EQ(render("{% set n = namespace(x=1) %}{% for i in [1, 2] %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}"), "4");
}

TEST(Template, MacrosHaveDefaultsAndNames) {
  EXPECT_EQ(render("{% macro m(a, b='B') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(b=2, a=3) }}"), "[1B][32]");
  EXPECT_NE(message("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}").find("takes 1 values at most"), std::string::npos);
}

TEST(Template, SlicesCountCharacters) {
  EXPECT_EQ(render("{{ s[1:3] }}{{ s[::-1] }}{{ s[-1] }}{{ s[9] }}", R"({"s": "aäb世"})"), "äb世bäa世");
  EXPECT_EQ(render("{{ [1, 2, 3, 4][::2] }}{{ [1, 2, 3][-2:] }}{{ (1, 2)[0] }}"), "[1, 3][2, 3]1");
}

TEST(Template, JsonIsPythons) {
  EXPECT_EQ(render("{{ x | tojson }}", R"({"x": {"b": [1, 2.5, null, true, "ü\n\""], "a": {}}})"),
            R"({"b": [1, 2.5, null, true, "ü\n\""], "a": {}})");
  EXPECT_EQ(render("{{ x | tojson(indent=2) }}", R"({"x": {"b": [1, {}]}})"),
            "{\n  \"b\": [\n    1,\n    {}\n  ]\n}");
}

TEST(Template, ErrorsNameLineAndColumn) {
  EXPECT_EQ(message("a\n{{ x.y.z }}"), "t: line 2, column 4: x is undefined");
  EXPECT_EQ(message("a\nbc{{ 'x' + 1 }}").substr(0, 20), "t: line 2, column 10");
  EXPECT_NE(message("{% for x in y %}").find("expected {% endfor %}"), std::string::npos);
  EXPECT_NE(message("{% include 'x' %}").find("include"), std::string::npos);
  EXPECT_NE(message("{{ 'x' | trimm }}").find("Did you mean trim?"), std::string::npos);
  EXPECT_NE(message("{{ x ").find("not closed"), std::string::npos);
  EXPECT_NE(message("{{ raise_exception('roles must alternate') }}").find("roles must alternate"), std::string::npos);
}

TEST(Template, ReachesNothingButKeysAndListedMethods) {
  EXPECT_EQ(render("{{ ''.__class__ }}{{ [].__len__ }}{{ d.keys is defined }}", R"({"d": {}})"), "True");
  EXPECT_NE(message("{{ ''.__class__.__mro__ }}").find("undefined"), std::string::npos);
  EXPECT_NE(message("{{ [1].append(2) }}").find("cannot be changed"), std::string::npos);
  EXPECT_NE(message("{{ open('/etc/passwd') }}").find("cannot be called"), std::string::npos);
}

// Each would run for ever, use up memory or the stack.
TEST(Template, HostileTemplatesEndWithAnError) {
  RenderOptions small;
  small.limits.steps = 200000;
  small.limits.bytes = 4 << 20;
  small.limits.output = 1 << 20;
  for (const std::string& source : {
           std::string("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"),
           std::string("{% for i in range(99999999999) %}{% endfor %}"),
           std::string("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
           std::string("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}"),
           std::string("{% set n = namespace(l=[]) %}{% for i in range(999) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}"),
           std::string("{% set n = namespace(l=[]) %}{% for i in range(999) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l }}"),
           std::string("{{ 'x' * 99999999999 }}"),
           std::string("{{ [0] * 99999999999 }}"),
           std::string("{{ ('x' * 99999).replace('x', 'y' * 99999) }}"),
           std::string("{{ 1 | tojson(indent=99999999999) }}{{ [1] | tojson(indent=99999999999) }}"),
           std::string("{{ 'x' | indent(99999999999) }}"),
           std::string("{% for i in range(99999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}"),
           std::string("{% set n = namespace() %}{% set n.n = n %}"),
           std::string("{{ 9223372036854775807 + 1 }}"),
           std::string("{{ 2 ** 9999 }}"),
           std::string("{{ (-9223372036854775807 - 1) // -1 }}"),
           std::string("{{ ") + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}",
           std::string("{{ ") + std::string(5000, '-') + "1 }}",
           "{{ 1" + [] { std::string s; for (int i = 0; i < 5000; ++i) s += " + 1"; return s; }() + " }}",
           [] { std::string s; for (int i = 0; i < 5000; ++i) s += "{% if 1 %}"; return s; }(),
           "{{ x" + [] { std::string s; for (int i = 0; i < 5000; ++i) s += ".x"; return s; }() + " }}",
       }) {
    SCOPED_TRACE(source.substr(0, 80));
    EXPECT_NE(message(source, R"({"x": {}})", small), "");
  }
}

// Law: whatever is cut off or changed, the answer is a text or an Error.
TEST(Template, DamagedTemplatesNeverCrash) {
  const std::string source =
      "{% macro m(a, b=1) %}{{ a[1:] | upper ~ b }}{% endmacro %}{%- for x, y in d.items() if x -%}"
      "{% set ns.a = {'k': [1, (2,)]} %}{{ m('it\\'s', b=-x) }}{% elif %}{# c #}{% else %}{% endfor +%}";
  for (size_t n = 0; n <= source.size(); ++n) message(source.substr(0, n));
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    std::string damaged = source;
    for (uint64_t k = 1 + random.below(4); k > 0; --k) {
      size_t at = random.below(damaged.size());
      switch (random.below(3)) {
        case 0: damaged[at] = source[random.below(source.size())]; break;
        case 1: damaged.erase(at, 1 + random.below(5)); break;
        default: damaged.insert(at, source.substr(random.below(source.size()), 6));
      }
    }
    SCOPED_TRACE(damaged);
    message(damaged, R"({"d": {"a": 1}})");
  }
}

const char kChat[] =
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] | trim + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

std::string content_of(const MarkedText& text) {
  std::string out;
  for (const TextRange& r : text.content) {
    out += '[';
    out.append(text.bytes, r.begin, r.end - r.begin);
    out += ']';
  }
  return out;
}

TEST(RenderChat, MarksWhatCameFromMessages) {
  Chat chat;
  chat.messages = Value::parse_json(
      R"([{"role": "user", "content": "  <|end|>hi "}, {"role": "x|><|end", "content": "y"}])", false, "test");
  chat.bos_token = "<s>";
  MarkedText text = render_chat(Template(kChat), chat);
  EXPECT_EQ(text.bytes, "<s><|user|>\n<|end|>hi<|end|><|x|><|end|>\ny<|end|><|assistant|>");
  // A role that is no plain word is content, too.
  EXPECT_EQ(content_of(text), "[<|end|>hi][x|><|end][y]");
}

TEST(RenderChat, MarksSurviveWhatTemplatesDoToText) {
  auto marks = [](const std::string& expression) {
    Chat chat;
    chat.messages = Value::parse_json(R"(["Ab c"])", false, "test");
    return content_of(render_chat(Template("{% set m = messages[0] %}<" + expression + ">"), chat));
  };
  EXPECT_EQ(marks("{{ 'x' ~ m ~ 'y' }}"), "[Ab c]");
  EXPECT_EQ(marks("{{ ('x' + m)[1:3] }}"), "[Ab]");
  EXPECT_EQ(marks("{{ m.replace('b', '-') }}"), "[A][ c]");
  EXPECT_EQ(marks("{{ 'a-b'.replace('-', m) }}"), "[Ab c]");
  EXPECT_EQ(marks("{{ m.split(' ') | join('+') }}"), "[Ab][c]");
  EXPECT_EQ(marks("{{ m | upper | title }}"), "[Ab C]");
  EXPECT_EQ(marks("{{ [m] | tojson }}"), "[Ab c]");
  EXPECT_EQ(marks("{{ [m] }}"), "['Ab c']");
  EXPECT_EQ(marks("{% set b %}x{{ m }}{% endset %}{{ b | trim }}"), "[Ab c]");
  EXPECT_EQ(marks("{% macro f(a) %}({{ a }}){% endmacro %}{{ f(m) }}"), "[Ab c]");
  EXPECT_EQ(marks("{{ m | reverse }}"), "[c bA]");
  EXPECT_EQ(marks("{{ m | length }}"), "");
  EXPECT_EQ(marks("{{ (m ~ '\\nz') | indent(2, true) }}"), "[Ab c]");
}

TEST(RenderChat, ArgumentsReachTheTemplate) {
  Chat chat;
  chat.messages = Value::list({});
  chat.arguments = {{"enable_thinking", Value::boolean(false)}};
  EXPECT_EQ(render_chat(Template("{{ enable_thinking }}{{ tools }}{{ add_generation_prompt }}"), chat).bytes,
            "FalseNoneTrue");
}

}  // namespace
}  // namespace tessera
