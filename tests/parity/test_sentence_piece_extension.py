"""`tokenizer extend` on `.model` files against the merge that the reference code does, and the package's own ids."""
import io
import random
import subprocess

import pytest

from vocabularies import BINARY, STRINGS, differences, random_texts

sentencepiece = pytest.importorskip("sentencepiece")


def lines(letters, accents, seed):
    draw = random.Random(seed)
    words = ["".join(draw.choice(letters[:draw.randint(4, len(letters))]) for _ in range(draw.randint(1, 9)))
             for _ in range(3000)]
    words += ["".join(draw.choice(letters[:6] + accents) for _ in range(draw.randint(2, 7))) for _ in range(1500)]
    return [" ".join(words[int(len(words) * draw.random() ** 3)] for _ in range(draw.randint(1, 15))) for _ in range(4000)]


OLD = lines("etaoinshrdlucmfwypvbgk", "", 1)
NEW = lines("aeosrindmtucplvgfqhzbj", "áãçéêíóõúàâôş\u0131ﬁ", 2)


def model(folder, name, kind, text, **options):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_writer=out, model_type=kind, vocab_size=1500, num_threads=2, minloglevel=2,
        hard_vocab_limit=False, byte_fallback=True, **options)
    path = folder / name
    path.write_bytes(out.getvalue())
    return path


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def both(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    base = model(folder, "base.model", request.param, OLD)
    return request.param, base, model(folder, "added.model", request.param, NEW, normalization_rule_name="identity")


def extended(base, added, size, mode):
    path = base.with_name(f"{mode}.model")
    done = subprocess.run([BINARY, "tokenizer", "extend", base, "--with", added, "--vocab-size", str(size), "--mode", mode,
                           "-o", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


def read(path):
    from sentencepiece import sentencepiece_model_pb2 as proto

    spec = proto.ModelProto()
    spec.ParseFromString(path.read_bytes())
    return spec


def agrees(path):
    package = sentencepiece.SentencePieceProcessor(model_file=str(path))
    texts = OLD[:500] + NEW[:500] + list(random_texts([], 5, STRINGS))
    assert not differences(path, [t for t in texts if "\x00" not in t], package.encode)


def test_script_is_the_merge_of_the_reference_code(both):
    _, base, added = both
    package = sentencepiece.SentencePieceProcessor(model_file=str(base))
    wanted, there = read(base), {p.piece for p in read(base).pieces}
    for piece in read(added).pieces:
        # The reference code takes pieces over that the base's normaliser would never let come up, such as "ﬁ".
        kept = package.normalize(piece.piece).strip("▁") == piece.piece.strip("▁")
        if len(wanted.pieces) < 2500 and piece.type == 1 and piece.piece not in there and kept:
            wanted.pieces.add(piece=piece.piece, score=piece.score)
    wanted.trainer_spec.vocab_size = len(wanted.pieces)
    path = extended(base, added, 2500, "script")
    assert len(wanted.pieces) > 2000
    assert read(path).SerializeToString() == wanted.SerializeToString()
    agrees(path)


@pytest.mark.parametrize("mode", ["append", "continue"])
def test_the_package_encodes_with_the_file_as_we_do(both, tmp_path, mode):
    kind, base, added = both
    if mode == "continue":
        if kind == "unigram":
            pytest.skip("Unigram has no merges to go on with")
        added = tmp_path / "new.txt"
        added.write_text("\n".join(NEW) + "\n", encoding="utf-8", newline="\n")
    path = extended(base, added, 2300, mode)
    before, now = read(base), read(path)
    assert list(now.pieces)[:len(before.pieces)] == list(before.pieces)
    assert len(now.pieces) == 2300
    if kind == "bpe":
        assert max(p.score for p in list(now.pieces)[len(before.pieces):]) < min(p.score for p in before.pieces)
    agrees(path)
