"""The Python package (python/), built as a person builds it, against tokenizers and tiktoken.

By default the module links the libtessera of the build that is tested, installed into a folder of its
own; TESSERA_PYTHON_FULL=1 compiles it from the sources alone, as `pip install ./python` does (minutes).
TESSERA_PARITY_STRINGS sets the number of random strings a file.
"""
import ast
import importlib
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import numpy
import pytest
import tiktoken
import tokenizers

from vocabularies import BINARY, HOME, PARTS
from vocabularies import tokenizer_json as fetch

ROOT = pathlib.Path(__file__).resolve().parents[2]
STRINGS = int(os.environ.get("TESSERA_PARITY_STRINGS", "3000"))
NAMES = ["minilm", "llama2", "llama3", "qwen2_5", "gpt4o"]


@pytest.fixture(scope="session")
def tessera(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("python-package")
    options = []
    if os.environ.get("TESSERA_PYTHON_FULL") != "1":
        build = pathlib.Path(BINARY).resolve().parents[1]
        subprocess.run(["cmake", "--install", build, "--prefix", scratch / "prefix"], check=True, capture_output=True)
        package = next((scratch / "prefix").glob("lib*/**/tessera-config.cmake")).parent
        options = ["--config-settings=cmake.define.TESSERA_PYTHON_INSTALLED=ON",
                   f"--config-settings=cmake.define.tessera_DIR={package}"]
    made = subprocess.run([sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-input",
                           "--target", scratch / "site", *options, ROOT / "python"], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(scratch / "site"))
    yield importlib.import_module("tessera")
    sys.path.remove(str(scratch / "site"))


def path_of(name):
    return HOME / "all-MiniLM-L6-v2" / "tokenizer.json" if name == "minilm" else fetch(name)


def reference_of(path):
    reference = tokenizers.Tokenizer.from_file(str(path))
    reference.no_truncation()
    reference.no_padding()
    return reference


def strings(seed, count):
    draw = random.Random(seed)
    return ["".join(draw.choice(PARTS) for _ in range(draw.randrange(12))) for _ in range(count)]


@pytest.mark.parametrize("name", NAMES)
def test_ids_and_texts_are_those_of_tokenizers(tessera, name):
    path = path_of(name)
    ours, theirs = tessera.Tokenizer.from_file(path), reference_of(path)
    special = [t.content for t in theirs.get_added_tokens_decoder().values() if t.special][:3]
    texts = strings(name, STRINGS) + special + ["a" + s + "b" for s in special]
    want = [e.ids for e in theirs.encode_batch(texts)]
    assert ours.encode_batch(texts, special_in_text=True) == want
    assert ours.encode_batch(texts, special_in_text=True, num_threads=1) == want
    for text, ids in list(zip(texts, want))[-300:]:
        assert ours.encode(text, special_in_text=True) == ids
        assert ours.encode(text.encode(), special_in_text=True) == ids
        array = ours.encode_to_numpy(text, special_in_text=True)
        assert array.dtype == numpy.uint32 and array.tolist() == ids
        assert ours.count(text, special_in_text=True) == len(ids)
        assert ours.encode(text, False, special_in_text=True) == theirs.encode(text, add_special_tokens=False).ids
        found, spans = ours.encode_with_spans(text, special_in_text=True)
        assert found == ids and len(spans) == len(ids)
        assert all(0 <= b <= e <= len(text.encode()) for b, e in spans)
        assert ours.decode(ids) == theirs.decode(ids)
        assert ours.decode(array) == ours.decode(ids) == ours.decode_bytes(ids).decode(errors="replace")


@pytest.mark.parametrize("name", NAMES)
def test_tokens_are_those_of_tokenizers(tessera, name):
    path = path_of(name)
    ours, theirs = tessera.Tokenizer.from_file(str(path)), reference_of(path)
    # As tiktoken counts: ids may have holes.
    assert ours.vocab_size == ours.n_vocab == len(ours) == 1 + max(theirs.get_vocab().values())
    for id in random.Random(5).sample(range(len(ours)), 500):
        token = theirs.id_to_token(id)
        assert ours.id_to_token(id) == token
        assert token is None or ours.token_to_id(token) == theirs.token_to_id(token)
    assert ours.token_to_id("no such token") is None and ours.id_to_token(len(ours)) is None


def encoding_of(path):
    """tiktoken itself, with the ranks and the pattern that a tokenizer.json of its kind holds."""
    file = json.loads(path.read_text())
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    byte = {chr(b): b for b in printable}
    byte.update({chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in printable)})
    ranks = {bytes(byte[c] for c in token): id for token, id in file["model"]["vocab"].items()
             if all(c in byte for c in token)}
    special = {t["content"]: t["id"] for t in file["added_tokens"]}
    ranks = {token: id for token, id in ranks.items() if id not in special.values()}
    pattern = next(p["pattern"]["Regex"] for p in file["pre_tokenizer"]["pretokenizers"] if p["type"] == "Split")
    return tiktoken.Encoding("of-a-file", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)


@pytest.mark.parametrize("name", ["gpt4o", "llama3"])
def test_ids_and_bytes_are_those_of_tiktoken(tessera, name):
    path = path_of(name)
    ours, theirs = tessera.Tokenizer.from_file(path), encoding_of(path)
    for text in strings(name, STRINGS):
        ids = theirs.encode_ordinary(text)
        assert ours.encode_ordinary(text) == ids
        assert ours.decode_bytes(ids) == theirs.decode_bytes(ids) == text.encode()
        assert ours.decode(ids) == theirs.decode(ids)
    special = sorted(theirs.special_tokens_set)[0]
    assert ours.encode_ordinary(special) == theirs.encode_ordinary(special)
    assert ours.encode(special, False, special_in_text=True) == theirs.encode(special, allowed_special="all")
    for id in random.Random(6).sample(range(200000 if name == "gpt4o" else 128000), 300):
        assert ours.token_bytes(id) == theirs.decode_single_token_bytes(id)


def test_bytes_that_are_no_utf8_come_back(tessera):
    ours = tessera.Tokenizer.from_file(fetch("llama3"))
    draw = random.Random(7)
    for _ in range(300):
        text = bytes(draw.choices([*range(256), 0x20, 0xE2, 0x82], k=draw.randrange(30)))
        ids = ours.encode_ordinary(text)
        assert ours.decode_bytes(ids) == text
        assert ours.decode(ids) == text.decode(errors="replace")
        assert ours.decode_bytes(numpy.array(ids, dtype="int64")) == text


def test_mistakes_are_errors_of_python(tessera):
    ours = tessera.Tokenizer.from_file(fetch("llama3"))
    rows = [(TypeError, lambda: ours.encode(3)), (TypeError, lambda: ours.encode_batch("text")),
            (TypeError, lambda: ours.encode_batch([1])), (TypeError, lambda: ours.decode(["a"])),
            (TypeError, lambda: ours.decode(numpy.zeros(3))), (UnicodeEncodeError, lambda: ours.encode("\ud800")),
            (ValueError, lambda: ours.decode([-1])), (ValueError, lambda: ours.decode([1 << 40])),
            (tessera.TesseraError, lambda: ours.decode([len(ours)])),
            (tessera.TesseraError, lambda: ours.token_bytes(-1)),
            (FileNotFoundError, lambda: tessera.Tokenizer.from_file("/no/such/file")),
            (tessera.TesseraError, lambda: tessera.Tokenizer.from_model("no-such-model")),
            (tessera.TesseraError, lambda: tessera.Tokenizer.from_str("{")),
            (LookupError, lambda: ours.decode(ours.encode(b"\xff"), errors="nonsense"))]
    for kind, mistake in rows:
        with pytest.raises(kind):
            mistake()
    assert ours.decode([]) == "" and ours.encode("") == ours.encode(b"") == [] and ours.encode_batch([]) == []


def test_others_run_while_a_long_text_is_encoded(tessera):
    ours = tessera.Tokenizer.from_file(fetch("llama3"))
    text = "".join(strings(8, 2000)) * 100
    begin = time.perf_counter()
    expected = ours.count(text)
    alone = time.perf_counter() - begin
    got = []
    worker = threading.Thread(target=lambda: got.append(ours.count(text)))
    longest, last = 0, time.perf_counter()
    worker.start()
    while worker.is_alive():
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    assert got == [expected]
    # Switching threads takes milliseconds; the lock held would take the whole call.
    assert longest < max(0.5 * alone, 0.05)


def test_the_stub_names_what_the_module_has(tessera):
    stub = pathlib.Path(tessera.__file__).parent / "_tessera.pyi"
    assert (stub.parent / "py.typed").exists()
    tree = ast.parse(stub.read_text())
    stated = next(c for c in tree.body if isinstance(c, ast.ClassDef) and c.name == "Tokenizer")
    names = {f.name for f in stated.body if isinstance(f, ast.FunctionDef)}
    assert {n for n in names if not n.startswith("__")} == {n for n in dir(tessera.Tokenizer) if not n.startswith("_")}
    for function in stated.body:
        method = getattr(tessera.Tokenizer, getattr(function, "name", ""), None)
        signature = (getattr(method, "__nb_signature__", None) or [[""]])[0][0]
        if signature:
            arguments = [a.arg for a in [*function.args.args, *function.args.kwonlyargs] if a.arg != "self"]
            assert all(a + ":" in signature or a + " " in signature for a in arguments), function.name
