"""Every component of tokenizer.json, in small vocabularies made here, against the package tokenizers."""
import base64
import json

import pytest
import tokenizers

import vocabularies
from vocabularies import PARTS, STRINGS, corpus, decoded, ours, random_texts, trained_sentence_piece

COUNT = max(300, STRINGS // 4)
UNKNOWN = "<unk>"


@pytest.fixture(scope="module")
def charsmap():
    """The map of nmt_nfkc, from a model that sentencepiece trains."""
    from sentencepiece import sentencepiece_model_pb2 as proto

    model = proto.ModelProto()
    model.ParseFromString(trained_sentence_piece("unigram"))
    return base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()


def words(extra=()):
    seen = dict.fromkeys([UNKNOWN, *extra])
    for line in corpus()[:300]:
        for word in line.split():
            seen.setdefault(word)
            seen.setdefault("\u2581" + word)
    for part in PARTS:
        seen.setdefault(part)
    return list(seen)


def word_level(**parts):
    vocab = {w: i for i, w in enumerate(words())}
    return dict(version="1.0", model={"type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN}, **parts)


def unigram(byte_fallback=False, **parts):
    pieces, scores = {}, {}
    for i, word in enumerate(words()):
        for end in range(1, len(word) + 1):
            for begin in range(end):
                if end - begin <= 6:
                    scores.setdefault(word[begin:end], -1.5 - ((end * 7 + begin * 13 + i) % 11) / 3 - 2.2 / (end - begin))
    pieces = [[UNKNOWN, 0.0]] + [[p, s] for p, s in scores.items() if p != UNKNOWN and p not in "\u0301\u1112"]
    if byte_fallback:
        pieces = pieces[:400] + [[f"<0x{b:02X}>", -9.0] for b in range(256)]
    return dict(version="1.0", model={"type": "Unigram", "vocab": pieces, "unk_id": 0,
                                      "byte_fallback": byte_fallback}, **parts)


def byte_pairs(vocab=None, merges=(), **parts):
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocab = {c: i for i, c in enumerate(alphabet)}
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("in", "g"), ("Ã", "©"), ("h", "e"), ("l", "l")]
    for a, b in merges:
        vocab.setdefault(a, len(vocab))
        vocab.setdefault(b, len(vocab))
        vocab.setdefault(a + b, len(vocab))
    return dict(version="1.0", model={"type": "BPE", "vocab": vocab, "merges": [list(m) for m in merges]}, **parts)


MARK = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
PRE_TOKENIZERS = {
    "none": None,
    "fixed": {"type": "FixedLength", "length": 3},
    "scripts": {"type": "UnicodeScripts"},
    "whitespace": {"type": "Whitespace"},
    "split": {"type": "WhitespaceSplit"},
    "digits": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": False},
                                                     {"type": "Punctuation", "behavior": "MergedWithPrevious"}]},
    "delimiter": {"type": "CharDelimiterSplit", "delimiter": "a"},
    "bert": {"type": "BertPreTokenizer"},
    "mark": MARK,
    "scripts-fixed": {"type": "Sequence", "pretokenizers": [{"type": "UnicodeScripts"}, {"type": "FixedLength", "length": 5}]},
}


def check(tmp_path, spec, texts, decode=True):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(spec))
    peer = tokenizers.Tokenizer.from_str(json.dumps(spec))
    mine = ours(path, texts)
    wrong = [(t, m["ids"], peer.encode(t).ids) for t, m in zip(texts, mine) if m["ids"] != peer.encode(t).ids]
    assert not wrong, f"{len(wrong)} of {len(texts)} differ: {wrong[0]!r}"
    if decode:
        ids = [m["ids"] for m in mine]
        want = "".join(peer.decode(i) for i in ids)
        assert decoded(path, ids).decode() == want


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_pre_tokenizers_and_word_level(tmp_path, name):
    spec = word_level(pre_tokenizer=PRE_TOKENIZERS[name])
    check(tmp_path, spec, list(random_texts([], 1, COUNT)))


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_pre_tokenizers_and_unigram(tmp_path, name):
    spec = unigram(pre_tokenizer=PRE_TOKENIZERS[name], decoder={"type": "Fuse"})
    check(tmp_path, spec, list(random_texts([], 2, COUNT)))


def test_unigram_with_bytes(tmp_path):
    texts = list(random_texts([], 3, COUNT))
    spec = unigram(True, pre_tokenizer=MARK)
    check(tmp_path, spec, texts, decode=False)


def test_unigram_adds_up_in_doubles(tmp_path):
    """Sums that are equal in decimal and not in binary, and ties."""
    pieces = [[UNKNOWN, -5.0], ["a", -0.1], ["b", -0.2], ["ab", -0.3], ["c", -0.3], ["abc", -0.6], ["bc", -0.5],
              ["aa", -0.2], ["aaa", -0.30000000000000004]]
    spec = dict(version="1.0", model={"type": "Unigram", "vocab": pieces, "unk_id": 0})
    import random
    draw = random.Random(4)
    texts = ["".join(draw.choice("abc") for _ in range(draw.randint(1, 30))) for _ in range(COUNT)]
    check(tmp_path, spec, texts)


def test_precompiled_map(tmp_path, charsmap):
    spec = unigram(normalizer={"type": "Precompiled", "precompiled_charsmap": charsmap}, pre_tokenizer=MARK)
    marks = ["\u0300", "\u0301", "\u0327", "\u0323", "\u200d", "\ufe0f", "\u094d", "\u0e31", "\uff9e", "\u3099", "\u11a8",
             "\u1161", "\u1100", "\u0915", "\u00a9", "\u0600", "\u0d4e", "\r", "\n", "\t", "\uff21", "\u2122", "\uac00",
             "\u01c4", "\u00bc", "\u0958", "\U0001f1e6", "\u0903", "\U0001f3fb", "\u1e9b", "e", "A", " "]
    texts = list(random_texts([], 5, COUNT)) + list(random_texts([], 6, 2 * COUNT, parts=marks))
    texts += [chr(c) + "\u0301x" for c in range(0x20, 0x3100, 7)]
    path = tmp_path / "tokenizer.json"
    # A vocabulary of single characters shows all that the normaliser does.
    characters = sorted({c for t in texts for c in t} | {chr(c) for c in range(32, 0x3000)})
    spec["model"]["vocab"] = [[UNKNOWN, 0.0]] + [[c, -1.0 - i / 1e5] for i, c in enumerate(characters)]
    check(tmp_path, spec, texts, decode=False)
    assert path.exists()


@pytest.mark.parametrize("kind", ["Nmt", "NFC", "NFKD", "Lowercase", "StripAccents"])
def test_normalisers(tmp_path, kind):
    spec = unigram(normalizer={"type": kind})
    check(tmp_path, spec, list(random_texts([], 7, COUNT)))


def test_byte_level_normaliser(tmp_path):
    spec = byte_pairs(normalizer={"type": "ByteLevel"}, decoder={"type": "ByteLevel", "add_prefix_space": False,
                                                                      "trim_offsets": False, "use_regex": True})
    texts = [t for t in random_texts([], 8, COUNT)]
    check(tmp_path, spec, texts)


def test_byte_level_word_level(tmp_path):
    spec = word_level(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                                     "use_regex": True})
    check(tmp_path, spec, list(random_texts([], 9, COUNT)))


@pytest.mark.parametrize("cleanup", [True, False])
def test_ctc(tmp_path, cleanup):
    vocab = {t: i for i, t in enumerate(["<pad>", "|", "a", "b", "n't", " .", "c", "'s", "do"])}
    spec = dict(version="1.0", model={"type": "WordLevel", "vocab": vocab, "unk_token": "<pad>"},
                decoder={"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": cleanup})
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(spec))
    peer = tokenizers.Tokenizer.from_str(json.dumps(spec))
    import random
    draw = random.Random(10)
    ids = [[draw.randrange(len(vocab)) for _ in range(draw.randint(1, 20))] for _ in range(COUNT)]
    assert decoded(path, ids).decode() == "".join(peer.decode(i) for i in ids)


def test_models_converted_from_sentence_piece(tmp_path, charsmap):
    """What transformers' users have: a Unigram model with the map of nmt_nfkc, T5's and XLM-R's layout."""
    from sentencepiece import sentencepiece_model_pb2 as proto

    model = proto.ModelProto()
    model.ParseFromString(trained_sentence_piece("unigram"))
    pieces = [[p.piece, p.score] for p in model.pieces]
    for layout in ({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, MARK]}, MARK):
        spec = dict(version="1.0", model={"type": "Unigram", "vocab": pieces, "unk_id": 0},
                    normalizer={"type": "Sequence", "normalizers": [
                        {"type": "Precompiled", "precompiled_charsmap": charsmap},
                        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
                    pre_tokenizer=layout, decoder=MARK,
                    added_tokens=[dict(id=i, content=c, single_word=False, lstrip=False, rstrip=False, normalized=False,
                                       special=True) for i, c in enumerate(["<unk>", "<s>", "</s>"])])
        texts = [t for batch in vocabularies.batches(["<s>", "</s>", "<unk>"]) for t in batch] + corpus()[:500]
        check(tmp_path, spec, texts)
