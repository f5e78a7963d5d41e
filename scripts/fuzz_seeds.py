#!/usr/bin/env python3
"""Writes a seed corpus for every fuzz target: fuzz_seeds.py OUT makes OUT/TARGET/*.

A function per target, named as the target, gives (name, bytes) pairs.
"""

import base64
import json
import pathlib
import struct
import sys


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _gguf(version, metadata, tensors, alignment=32):
    """metadata: (key, type number, encoded value); tensors: (name, shape, type number, bytes)."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, kind, value in metadata:
        out += _string(key) + struct.pack("<I", kind) + value
    offset = 0
    for name, shape, kind, data in tensors:
        out += _string(name) + struct.pack("<I", len(shape))
        out += b"".join(struct.pack("<Q", size) for size in shape)
        out += struct.pack("<IQ", kind, offset)
        offset += -(-len(data) // alignment) * alignment
    pad = lambda data: data + b"\0" * (-len(data) % alignment)
    return pad(out) + b"".join(pad(data) for _, _, _, data in tensors)


def _every_value_type():
    array = lambda kind, count, data: struct.pack("<IQ", kind, count) + data
    return [
        ("u8", 0, b"\1"), ("i8", 1, b"\xff"), ("u16", 2, b"\1\0"), ("i16", 3, b"\1\0"),
        ("u32", 4, struct.pack("<I", 7)), ("i32", 5, struct.pack("<i", -7)),
        ("f32", 6, struct.pack("<f", 0.5)), ("bool", 7, b"\1"), ("string", 8, _string("text")),
        ("strings", 9, array(8, 2, _string("a") + _string("b"))),
        ("numbers", 9, array(6, 2, struct.pack("<ff", 1, 2))),
        ("nested", 9, array(9, 1, array(0, 2, b"\1\2"))),
        ("u64", 10, struct.pack("<Q", 1 << 40)), ("i64", 11, struct.pack("<q", -1)),
        ("f64", 12, struct.pack("<d", 0.25))]


def _tiny_gguf(architecture, experts=0):
    width, heads, ffn, vocabulary = 4, 2, 6, 3
    number = lambda key, value: (f"{architecture}.{key}", 4, struct.pack("<I", value))
    metadata = [("general.architecture", 8, _string(architecture)),
                number("context_length", 16), number("embedding_length", width),
                number("block_count", 1), number("feed_forward_length", ffn),
                number("attention.head_count", heads)]
    if experts:
        metadata += [number("expert_count", experts), number("expert_used_count", 1)]
    floats = lambda name, *shape: (name, shape, 0, struct.pack(
        f"<{_product(shape)}f", *range(_product(shape))))
    tensors = [floats("token_embd.weight", width, vocabulary), floats("output_norm.weight", width)]
    for name, shape in {"attn_norm": (width,), "attn_q": (width, width), "attn_k": (width, width),
                        "attn_v": (width, width), "attn_output": (width, width),
                        "ffn_norm": (width,)}.items():
        tensors.append(floats(f"blk.0.{name}.weight", *shape))
    many = (experts,) if experts else ()
    suffix = "_exps" if experts else ""
    tensors += [floats(f"blk.0.ffn_gate{suffix}.weight", width, ffn, *many),
                floats(f"blk.0.ffn_up{suffix}.weight", width, ffn, *many),
                floats(f"blk.0.ffn_down{suffix}.weight", ffn, width, *many)]
    if experts:
        tensors.append(floats("blk.0.ffn_gate_inp.weight", width, experts))
    return _gguf(3, metadata, tensors)


def _product(shape):
    out = 1
    for size in shape:
        out *= size
    return out


def gguf_fuzz():
    yield "values", _gguf(3, _every_value_type(), [("t", (32,), 2, bytes(18))])
    yield "version2", _gguf(2, [], [("t", (4, 2), 1, bytes(16))])
    for architecture in ("llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi3", "olmo2",
                         "gpt2", "gptneox", "bloom", "falcon", "bert"):
        yield architecture, _tiny_gguf(architecture)
    yield "experts", _tiny_gguf("llama", experts=2)


def safetensors_fuzz():
    def encode(header, data):
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data
    yield "empty", encode({}, b"")
    yield "two", encode({"__metadata__": {"format": "pt"},
                         "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
                         "b": {"dtype": "BF16", "shape": [3], "data_offsets": [8, 14]}}, bytes(14))
    yield "scalar", encode({"a": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}}, bytes(8))


def config_json_fuzz():
    sizes = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
             "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    more = {
        "llama": {"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
                                   "high_freq_factor": 4,
                                   "original_max_position_embeddings": 32}},
        "yarn": {"rope_parameters": {"rope_type": "yarn", "factor": 4, "rope_theta": 1e4}},
        "longrope": {"rope_scaling": {"type": "su", "short_factor": [1] * 4,
                                      "long_factor": [2] * 4}},
        "smollm3": {"no_rope_layers": [1, 1, 0]},
        "gemma3_text": {"rope_parameters": {"full_attention": {"rope_theta": 1e6},
                                            "sliding_attention": {"rope_theta": 1e4}}},
        "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8},
        "tessera": {"tessera": {"heads": 2, "activation": "relu"}},
        "layers": {"layer_types": ["full_attention", "sliding_attention", "full_attention"],
                   "sliding_window": 8},
    }
    for name, keys in more.items():
        yield name, json.dumps(dict(sizes, **keys)).encode()
    yield "gpt2", json.dumps({"vocab_size": 96, "n_embd": 32, "n_layer": 3, "n_head": 4}).encode()
    yield "opt", json.dumps(dict(sizes, ffn_dim=48, word_embed_proj_dim=16)).encode()
    yield "bert", json.dumps(dict(sizes, type_vocab_size=2, embedding_size=16)).encode()


def template_fuzz():
    tags = [
        "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] | trim }}{% endfor %}",
        "{%- if tools is defined and tools -%}{{ tools | tojson(indent=2) }}{%- elif x %}y{% else %}z{% endif +%}",
        "{% set ns = namespace(n=0) %}{% for i in range(4) if i is odd %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
        "{% macro m(a, b=1) %}{{ a ~ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ [m][0]('x', b=none) }}",
        "{% set b %} block {{ loop is defined }} {% endset %}{{ b[1:-1:2] }}{% raw %}{{ }}{% endraw %}{# note #}",
        "{{ messages[0].content.split('x')[-1].strip('<>') }}{{ {'a': [1, 2.5e3]}.items() | list }}",
        "{% for k, v in {'b': 1}|dictsort %}{{ loop.index0 }}{% break %}{% else %}none{% endfor %}{{ 1 if 2 }}",
        "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') | upper }}",
        "{{ 7 // -2 % 3 ** 2 - 1 / 4 }}{{ 1 < 2 <= 3 != 4 }}{{ not 'a' in 'abc' or none is none and 'x' is string }}",
        "{% generation %}{{ 'a\\n\\u00e9' | indent(2, true) | replace('a', 'b') }}{% endgeneration %}",
        "{{ raise_exception('no') }}", "{{ strftime_now('%d %b %Y') }}", "{% filter upper %}x{% endfilter %}"]
    return [(f"template{i}", text.encode()) for i, text in enumerate(tags)]



def tokenizer_json_fuzz():
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [dict(flags, id=300, content="<s>", lstrip=True, rstrip=True, special=True),
             dict(flags, id=301, content="word", single_word=True, normalized=True, special=False)]
    letters = {chr(c): c for c in range(32, 127)}
    pairs = {"type": "BPE", "merges": ["a b", ["ab", "c"]], "unk_token": "?", "fuse_unk": True, "byte_fallback": True,
             "vocab": dict(letters, ab=200, abc=201, **{"<0x0A>": 202, "\u2581": 203})}
    words = {"type": "WordPiece", "vocab": {"[UNK]": 0, "ab": 1, "##c": 2}, "unk_token": "[UNK]",
             "continuing_subword_prefix": "##", "max_input_chars_per_word": 10}
    split = lambda behavior: {
        "type": "Split", "pattern": {"Regex": "(?i:'s)|\\p{L}+|\\s+(?!\\S)|[^a-z]{1,3}?"},
        "behavior": behavior, "invert": False}
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    frame = {"type": "TemplateProcessing", "pair": [],
             "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "special_tokens": {"<s>": {"id": "<s>", "ids": [300], "tokens": ["<s>"]}}}
    several = lambda member, *parts: {"type": "Sequence", member: list(parts)}
    plain = lambda *types: [{"type": t} for t in types]
    mark = {"type": "Metaspace", "replacement": "\u2581"}
    files = {
        "bytes": dict(pre_tokenizer=several("pretokenizers", split("Isolated"), {"type": "ByteLevel"}),
                      decoder={"type": "ByteLevel"}, model=dict(pairs, byte_fallback=False)),
        "marks": dict(normalizer=several("normalizers", {"type": "Prepend", "prepend": "\u2581"}, space),
                      post_processor=frame, model=pairs,
                      decoder=several("decoders", *plain("ByteFallback", "Fuse"),
                                      {"type": "Strip", "content": " ", "start": 1, "stop": 0})),
        "metaspace": dict(pre_tokenizer=dict(mark, prepend_scheme="first"), decoder=mark, model=pairs),
        "words": dict(normalizer={"type": "BertNormalizer"}, pre_tokenizer={"type": "BertPreTokenizer"},
                      decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}, model=words),
        "unigram": dict(normalizer={"type": "Precompiled", "precompiled_charsmap": base64.b64encode(
                            _charsmap({b"e\xcc\x81": b"\xc3\xa9", b"\t": b" "})).decode()},
                        pre_tokenizer=several("pretokenizers", *plain("UnicodeScripts", "WhitespaceSplit"), mark),
                        model={"type": "Unigram", "unk_id": 0, "byte_fallback": True,
                               "vocab": [["<unk>", 0]] + [[c, -1.5] for c in "abc\u2581"] + [["ab", -2], ["<0x41>", -3]]}),
        "level": dict(normalizer=several("normalizers", *plain("Nmt", "ByteLevel")), decoder={"type": "CTC"},
                      pre_tokenizer={"type": "FixedLength", "length": 2},
                      model={"type": "WordLevel", "vocab": {"ab": 0, "?": 1}, "unk_token": "?"}),
        "many": dict(normalizer=several("normalizers", *plain("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip",
                                                              "StripAccents")),
                     pre_tokenizer=several("pretokenizers", *plain("Digits", "Punctuation", "Whitespace"),
                                           split("MergedWithNext"), split("Contiguous")),
                     model=pairs)}
    for name, parts in files.items():
        yield name, json.dumps(dict(parts, added_tokens=added), ensure_ascii=False).encode()


def sentence_piece_fuzz():
    def varint(n):
        out = b""
        while n > 127:
            out += bytes([128 | n & 127])
            n >>= 7
        return out + bytes([n])

    def field(number, value):
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        return varint(number << 3 | 2) + varint(len(value)) + value

    def piece(text, score, kind):
        return field(1, field(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score) + field(3, kind))

    pieces = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("<0x41>", 0, 6) + piece("ab", -1, 1)
    pieces += piece("a", -2, 1) + piece("b", -3, 1) + piece("\u2581", -4, 1) + piece("xx", 0, 4)
    for kind in (1, 2):
        settings = field(2, field(3, kind)) + field(3, field(1, b"identity") + field(4, 0))
        yield f"kind{kind}", pieces + settings


def tiktoken_fuzz():
    tokens = [bytes([b]) for b in range(256)] + [b"ab", b"abc", "\u00e9".encode()]
    line = lambda i, t: base64.b64encode(t) + b" %d\n" % i
    yield "bytes", b"".join(line(i, t) for i, t in enumerate(tokens))
    yield "few", b"".join(line(i, t) for i, t in enumerate(tokens[:3]))


def tekken_fuzz():
    vocab = [{"rank": b, "token_bytes": base64.b64encode(bytes([b])).decode(), "token_str": None} for b in range(256)]
    config = {"pattern": "\\p{L}+|\\s+|.", "num_vocab_tokens": 256, "default_vocab_size": 260,
              "default_num_special_tokens": 4, "version": "v3"}
    yield "old", json.dumps({"config": config, "vocab": vocab}).encode()
    special = [{"rank": 0, "token_str": "<s>", "is_control": True}]
    yield "listed", json.dumps({"config": config, "vocab": vocab, "special_tokens": special}).encode()


def _charsmap(strings):
    """Every node has a block of 256 units of its own."""
    units, text, block = [256 << 10] + [0] * 511, b"", {b"": 256}
    for key, to in sorted(strings.items()):
        for n in range(1, len(key) + 1):
            node = block[key[:n - 1]] ^ key[n - 1]
            if key[:n] not in block:
                block[key[:n]] = len(units)
                units += [0] * 256
                units[node] = (block[key[:n]] ^ node) << 10 | key[n - 1]
        units[node] |= 1 << 8
        units[block[key]] = 1 << 31 | len(text)
        text += to + b"\0"
    trie = struct.pack("<%dI" % len(units), *units)
    return struct.pack("<I", len(trie)) + trie + text


def charsmap_fuzz():
    yield "one", _charsmap({b"a": b"xy"})
    yield "several", _charsmap({b"e": b"", b"e\xcc\x81": b"\xc3\xa9", b"\xef\xbc\xa1": b"A", b"\t": b" "})


def shard_fuzz():
    for width, letter in ((2, "H"), (4, "I")):
        ids = struct.pack(f"<4{letter}", 1, 2, 3, 4)
        offsets = struct.pack("<3Q", 0, 3, 4)
        trailer = struct.pack("<II6Q", 1, width, 4, 2, 2, 7, 8, 0) + b"TESSHARD"
        yield f"width{width}", ids + offsets + trailer


def trace_fuzz():
    first = {"tessera_trace": 1, "weights": "xxh64:0", "policy": "streaming", "layers": 2, "heads": 3, "prompt_tokens": 2}
    lines = [first, [1, 0, 0, 3, 0, 0, 0, 2], [2, 1, 1, 1, 0, 1, 0, 1, 2, 3], {"ids": [5, 6, 7], "left_out": 1}]
    yield "whole", "".join(json.dumps(line) + "\n" for line in lines).encode()
    yield "cut", "".join(json.dumps(line) + "\n" for line in lines[:2]).encode()


def act_file_fuzz():
    yield "whole", json.dumps({
        "tessera_act": 1, "weights": "xxh64:0", "layers": 6, "heads": 3, "tau": 0.1, "alpha": 0, "min_queries": 16,
        "beta": 0.4, "mode": "prompt", "seed": 1,
        "calibrated": [{"layer": 2, "head": 0, "accuracy_gain": 0.1, "logprob_gain": -0.5}], "items": ["a"],
        "scores": [{"items": "test", "what": "act", "n": 8, "accuracy": 0.5, "nll": 1.5}]}).encode()


def past_fuzz():
    """Policy, place, bytes laid over a true past there."""
    for policy in range(2):
        yield f"true{policy}", bytes([policy, 0, 0])
        yield f"changed{policy}", bytes([policy, 16, 0]) + struct.pack("<q", 1 << 40)
        yield f"alone{policy}", bytes([policy, 255, 255]) + struct.pack("<4q", 24, 2, 2, 8)


def language_fuzz():
    yield "a_language", ("name T\njoiner ' ’\ncasing turkic\nclass A a e\nsuffix lAr (y)A\n").encode()
    yield "affixes", b"\x00name T\nprefix a((b)c)d\ninfix x # y\n"


TARGETS = [past_fuzz, language_fuzz, shard_fuzz, trace_fuzz, act_file_fuzz, tiktoken_fuzz, tekken_fuzz, charsmap_fuzz, sentence_piece_fuzz, gguf_fuzz, safetensors_fuzz, config_json_fuzz, template_fuzz,
           tokenizer_json_fuzz]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for target in TARGETS:
        folder = pathlib.Path(sys.argv[1]) / target.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in target():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
