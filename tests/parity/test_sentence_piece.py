"""Ids of SentencePiece `.model` files against the sentencepiece package, on awkward strings."""
import json
import os
import pathlib
import random
import subprocess
import sys
import zipfile

import pytest

sentencepiece = pytest.importorskip("sentencepiece")

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESSERA = os.environ.get("TESSERA_BIN", str(ROOT / "build/bin/tessera"))
CACHE = pathlib.Path(os.environ.get("TESSERA_CACHE", pathlib.Path.home() / ".cache/tessera")) / "sentencepiece"
COUNT = int(os.environ.get("TESSERA_PARITY_COUNT", "3000"))
WHEEL = "mistral-common==1.13.1"
FILES = ["tokenizer.model.v1", "mistral_instruct_tokenizer_240216.model.v2",
         "mistral_instruct_tokenizer_240323.model.v3", "mistral_instruct_tokenizer_241114.model.v7"]


def model(name):
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(CACHE), WHEEL], check=True)
        wheel = next(CACHE.glob("mistral_common*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for file in FILES:
                (CACHE / file).write_bytes(archive.read("mistral_common/data/" + file))
        wheel.unlink()
    return str(path)


def strings(count):
    draw = random.Random(5)
    letters = ("abcdefghijklmnopqrstuvwxyz     ABC.,;:'\"!?0123456789éüßñçДжпрафшя中文字日本語한국어😀👍🏽"
               "\u200d\u0301\u202e\t\u00a0\u2581<>|[]/\\_-=+")
    words = "the of and to in is was for language tokenizer's don't 3.14 x86_64 naïve Straße".split()
    for _ in range(count):
        kind = draw.random()
        if kind < 0.4:
            yield " ".join(draw.choice(words) for _ in range(draw.randint(1, 12)))
        elif kind < 0.5:
            yield "  ".join(draw.choice(words) for _ in range(draw.randint(1, 5))) + "   "
        else:
            yield "".join(draw.choice(letters) for _ in range(draw.randint(1, 60)))
    yield from ["[INST] hi [/INST]", "<s>x</s>", "<unk>", "<0x41>", "\u2581\u2581a", "", "a\u2581b"]


@pytest.mark.parametrize("name", FILES)
def test_ids(name):
    path = model(name)
    reference = sentencepiece.SentencePieceProcessor(model_file=path)
    texts = list(strings(COUNT))
    done = subprocess.run([TESSERA, "tokenize", "-m", path, "--lines", "--file", "-", "--json"],
                          input="\n".join(texts).encode(), capture_output=True, check=True)
    rows = [json.loads(line)["ids"] for line in done.stdout.splitlines()]
    assert len(rows) == len(texts)
    for text, ids in zip(texts, rows):
        assert ids == reference.encode(text), text
