"""SentencePiece `.model` files against the package sentencepiece: real ones, and ones trained here in every kind."""
import random

import pytest

from vocabularies import STRINGS, batches, corpus, decoded, differences, mistral, ours, trained_sentence_piece

sentencepiece = pytest.importorskip("sentencepiece")

REAL = ["tokenizer.model.v1", "mistral_instruct_tokenizer_240216.model.v2",
        "mistral_instruct_tokenizer_240323.model.v3", "mistral_instruct_tokenizer_241114.model.v7"]
NAMED = ("[INST]", "naïve", "of the", "x1", "日本")
TRAINED = {
    "unigram": dict(kind="unigram"),
    "unigram-identity": dict(kind="unigram", normalization_rule_name="identity", remove_extra_whitespaces=False),
    "unigram-bytes": dict(kind="unigram", byte_fallback=True, user_defined_symbols=NAMED),
    "unigram-no-prefix": dict(kind="unigram", add_dummy_prefix=False, user_defined_symbols=NAMED),
    "unigram-suffix": dict(kind="unigram", treat_whitespace_as_suffix=True),
    "unigram-fold": dict(kind="unigram", normalization_rule_name="nmt_nfkc_cf", control_symbols=("<mask>",)),
    "unigram-surface": dict(kind="unigram", unk_surface="?", unk_id=3, bos_id=0, eos_id=1, pad_id=2),
    "bpe": dict(kind="bpe"),
    "bpe-bytes": dict(kind="bpe", byte_fallback=True, user_defined_symbols=NAMED),
    "bpe-suffix": dict(kind="bpe", treat_whitespace_as_suffix=True, normalization_rule_name="nfkc"),
    "bpe-spaces": dict(kind="bpe", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
                       user_defined_symbols=("  ", "\t")),
    "word": dict(kind="word"),
    "word-bytes": dict(kind="word", byte_fallback=True),
    "char": dict(kind="char"),
    "char-bytes": dict(kind="char", byte_fallback=True, user_defined_symbols=NAMED),
}


def raw_bytes(count):
    """Texts that are not UTF-8, which the package takes as bytes."""
    draw = random.Random(12)
    parts = [b"a", b" ", b"the ", "é".encode(), "日本".encode(), b"\xff", b"\xc3", b"\xe6\x97", b"\xf0\x9f\x98", b"\xc0\x80",
             b"\xed\xa0\x80", b"\x80", "😀".encode()]
    return [b"".join(draw.choice(parts) for _ in range(draw.randint(1, 20))) for _ in range(count)]


def check(path, reference, count):
    for texts in batches(["<s>", "</s>", "<unk>", *NAMED], count):
        wrong = differences(path, texts, reference.encode)
        assert not wrong, f"{len(wrong)} of {len(texts)} differ: {wrong[0]!r}"
    texts = corpus()[:300] + ["", " ", "   ", "\u2581", "\x01", "a\u2581", " \u2581 a"]
    assert not differences(path, texts, reference.encode)
    texts = raw_bytes(max(300, count // 10))
    for text, mine in zip(texts, ours(path, texts)):
        assert mine["ids"] == reference.encode(text), text


@pytest.mark.parametrize("name", REAL)
def test_ids_of_real_models(name):
    path = mistral(name)
    check(path, sentencepiece.SentencePieceProcessor(model_file=str(path)), STRINGS)


@pytest.mark.parametrize("name", TRAINED)
def test_ids_and_text_of_trained_models(tmp_path, name):
    path = tmp_path / "trained.model"
    path.write_bytes(trained_sentence_piece(**TRAINED[name]))
    reference = sentencepiece.SentencePieceProcessor(model_file=str(path))
    check(path, reference, max(500, STRINGS // 5))
    draw = random.Random(13)
    lists = [reference.encode(t) for t in next(batches([], 200))]
    # Not only what is written: any ids. Bytes of which no text can be made come back as they are, so that
    # they are left out here.
    ordinary = [i for i in range(reference.get_piece_size()) if not reference.is_byte(i)]
    lists += [[draw.choice(ordinary) for _ in range(draw.randint(1, 12))] for _ in range(200)]
    assert decoded(path, lists).decode() == "".join(reference.decode(ids) for ids in lists)
