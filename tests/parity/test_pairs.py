"""Pairs of texts: templates, types, truncation and padding, against the package tokenizers."""
import json
import random
import subprocess

import pytest
import tokenizers

from test_components import word_level
from vocabularies import BINARY, STRINGS, tokenizer_json

CLS, SEP = ["<s>", 1], ["</s>", 2]


def template(single, pair):
    """Parts such as "A:0" and "<s>:1"."""
    def parts(text):
        out = []
        for part in text.split():
            name, kind = part.rsplit(":", 1)
            key = "Sequence" if name in "AB" else "SpecialToken"
            out.append({key: {"id": name, "type_id": int(kind)}})
        return out

    specials = {"<s>": [1], "</s>": [2], "<two>": [1, 2]}
    return {"type": "TemplateProcessing", "single": parts(single), "pair": parts(pair),
            "special_tokens": {k: {"id": k, "ids": v, "tokens": ["x"] * len(v)} for k, v in specials.items()}}


POST = {
    "none": None,
    "bert": {"type": "BertProcessing", "cls": CLS, "sep": SEP},
    "roberta": {"type": "RobertaProcessing", "cls": CLS, "sep": SEP, "trim_offsets": False, "add_prefix_space": False},
    "bytes": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
    "template": template("<s>:0 A:0 </s>:0", "<s>:0 A:0 </s>:0 B:1 </s>:1"),
    "turned": template("A:3 <two>:2", "B:4 <two>:1 A:0"),
    "sequence": {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
        template("<s>:0 A:0", "<s>:0 A:0 <s>:1 B:1")]},
}
LENGTHS = [{}, dict(max_length=12, strategy="LongestFirst"), dict(max_length=9, strategy="OnlyFirst", direction="Left"),
           dict(max_length=11, strategy="OnlySecond"), dict(max_length=30, strategy="LongestFirst", direction="Left",
                                                            pad=8, pad_left=True), dict(pad=50)]


def ours(path, first, second, *flags):
    return subprocess.run([BINARY, "tokenize", "-m", str(path), "--json", *flags, "--pair", second, first],
                          capture_output=True, text=True)


@pytest.mark.parametrize("name", POST)
def test_pairs(tmp_path, name):
    draw = random.Random(name)
    words = "the of and to in a unknownword".split()
    for number, rule in enumerate(LENGTHS):
        spec = word_level(pre_tokenizer={"type": "WhitespaceSplit"}, post_processor=POST[name])
        if "max_length" in rule:
            spec["truncation"] = dict(max_length=rule["max_length"], strategy=rule["strategy"], stride=0,
                                      direction=rule.get("direction", "Right"))
        if "pad" in rule:
            left = "Left" if rule.get("pad_left") else "Right"
            strategy = "BatchLongest" if rule.get("pad_left") else {"Fixed": rule["pad"]}
            spec["padding"] = dict(strategy=strategy, direction=left, pad_to_multiple_of=8, pad_id=3, pad_type_id=5,
                                   pad_token="x")
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(spec))
        peer = tokenizers.Tokenizer.from_str(json.dumps(spec))
        for _ in range(max(12, STRINGS // 300)):
            first, second = (" ".join(draw.choice(words) for _ in range(draw.randint(0, 14))) for _ in range(2))
            for add in (True, False):
                mine = ours(path, first, second, *([] if add else ["--no-template"]))
                try:
                    want = peer.encode(first, second, add_special_tokens=add)
                except BaseException as fault:  # noqa: BLE001  the reference may panic
                    assert mine.returncode == 1 and "truncation" in mine.stderr, (fault, mine)
                    continue
                assert mine.returncode == 0, mine.stderr
                got = json.loads(mine.stdout)
                assert (got["ids"], got["type_ids"]) == (want.ids, want.type_ids), (first, second, add, rule)


def test_pairs_of_a_real_vocabulary():
    path = tokenizer_json("llama3")
    peer = tokenizers.Tokenizer.from_file(str(path))
    want = peer.encode("What is it?", "A cat's tail.")
    got = json.loads(ours(path, "What is it?", "A cat's tail.").stdout)
    assert got["ids"] == want.ids and got["type_ids"] == want.type_ids
