"""Rank files of tiktoken and tekken JSON against the libraries that they belong to."""
import json
import subprocess

import pytest

import vocabularies
from vocabularies import BINARY, batches, decoded, differences, ours, tiktoken_encoding, tiktoken_ranks

tiktoken = pytest.importorskip("tiktoken")

VOCABULARIES = [v for v in vocabularies.real_vocabularies() if v.library in ("tiktoken", "mistral-common")]


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda v: v.name)
def test_ids_and_bytes(vocabulary):
    if vocabulary.library == "mistral-common":
        pytest.importorskip("mistral_common")
    for texts in batches(vocabulary.specials):
        wrong = differences(vocabulary.path, texts, vocabulary.encode, *vocabulary.flags)
        assert not wrong, f"{len(wrong)} of {len(texts)} differ: {wrong[0]!r}"
    texts = next(batches([], 1000))
    ids = [m["ids"] for m in ours(vocabulary.path, texts, "--special-in-text", "off")]
    assert decoded(vocabulary.path, ids) == "".join(texts).encode()
    vocabulary.forget()


def tokenize(path, text, *flags):
    return subprocess.run([BINARY, "tokenize", "-m", str(path), "--json", *flags, text], capture_output=True, text=True)


def test_a_special_token_in_the_text_is_refused_by_name_as_the_library_does():
    path = tiktoken_ranks("cl100k_base")
    peer = tiktoken_encoding(path)
    for special in sorted(peer.special_tokens_set):
        text = f"a {special} b"
        with pytest.raises(ValueError):
            peer.encode(text)
        refused = tokenize(path, text)
        assert refused.returncode == 1 and special in refused.stderr and "byte 2" in refused.stderr
        as_text = json.loads(tokenize(path, text, "--special-in-text", "off").stdout)
        assert as_text["ids"] == peer.encode(text, disallowed_special=())
        as_token = json.loads(tokenize(path, text, "--special-in-text", "on").stdout)
        assert as_token["ids"] == peer.encode(text, allowed_special="all")


def test_encodings_with_one_content_are_told_apart_by_name(tmp_path):
    path = tiktoken_ranks("p50k_base")
    named = tmp_path / "p50k_edit.tiktoken"
    named.write_bytes(path.read_bytes())
    want = tiktoken_encoding(named).encode("a <|fim_middle|>b", allowed_special="all")
    for asked in (tokenize(named, "a <|fim_middle|>b", "--special-in-text", "on"),
                  tokenize(path, "a <|fim_middle|>b", "--special-in-text", "on", "--encoding", "p50k_edit")):
        assert json.loads(asked.stdout)["ids"] == want


def test_a_file_of_unknown_content_needs_a_name_or_a_pattern(tmp_path):
    ranks = tmp_path / "mine.tiktoken"
    lines = tiktoken_ranks("cl100k_base").read_bytes().splitlines()[:5000]
    ranks.write_bytes(b"\n".join(lines) + b"\n")
    refused = tokenize(ranks, "hello")
    assert refused.returncode == 1 and "--encoding" in refused.stderr and "--pattern" in refused.stderr
    from tiktoken.load import load_tiktoken_bpe

    for pattern in (r"\p{L}+|\s+|[^\s\p{L}]+", r"(?i:'s|'d)|\p{Lu}?\p{Ll}++|\p{N}{1,3}+|.|\s++$|^a"):
        peer = tiktoken.Encoding("mine", pat_str=pattern, mergeable_ranks=load_tiktoken_bpe(str(ranks)), special_tokens={})
        for texts in batches([], 1000):
            assert not differences(ranks, texts, peer.encode, "--pattern", pattern)
