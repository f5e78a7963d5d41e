"""Ids, spans and text of `tessera tokenize` against the package tokenizers, on real vocabularies."""
import json

import pytest
import tokenizers

import vocabularies
from vocabularies import STRINGS, batches, decoded, ours

VOCABULARIES = [v for v in vocabularies.real_vocabularies() if v.library == "tokenizers"]


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


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda v: v.name)
def test_ids_and_spans_equal_the_reference(vocabulary):
    path = vocabulary.path
    peer, spec = reference(path)
    composes = "NF" in json.dumps(spec["normalizer"]) or "Bert" in json.dumps(spec["normalizer"])
    wrong, spans_compared = [], 0
    for texts in batches([t["content"] for t in spec["added_tokens"]]):
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


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda v: v.name)
def test_byte_level_files_decode_to_the_same_bytes(vocabulary):
    path = vocabulary.path
    spec = json.loads(path.read_text())
    if (spec.get("decoder") or {}).get("type") != "ByteLevel" or spec.get("normalizer"):
        pytest.skip("does not promise to give the text back")
    texts = next(batches([t["content"] for t in spec["added_tokens"]], 1000))
    ids = [m["ids"] for m in ours(path, texts, "--no-template", "--special-in-text", "off")]
    assert decoded(path, ids) == "".join(texts).encode()
