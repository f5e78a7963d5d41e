"""Ids of GGUF vocabularies against llama.cpp (npm's build): real and trained vocabularies in tiny models made here."""
import json

import numpy
import pytest

import vocabularies
from test_llama_cpp import ask
from vocabularies import PARTS, STRINGS, mistral, ours, random_texts, tokenizer_json, trained_sentence_piece

gguf = pytest.importorskip("gguf")

COUNT = max(300, STRINGS // 4)
WIDTH = 32
# llama.cpp takes an ordinary token that is called </s> for a control token where a file names no end of a turn.
# U+16D40 became a letter with Unicode 16, which this llama.cpp's tables do not know; no text with a zero byte gets there.
TEXTS = [p for p in PARTS if p not in ("\x00", "\U00016d40", "</s>")]


def model(path, tokens, add):
    """A llama of one layer with `tokens` rows; `add` writes its tokenizer."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // 2)
    add(writer)
    square = numpy.zeros((WIDTH, WIDTH), numpy.float32)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", square)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(name + ".weight", numpy.ones(WIDTH, numpy.float32))
    writer.add_tensor("token_embd.weight", numpy.zeros((tokens, WIDTH), numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def scored(path, data, kind):
    from sentencepiece import sentencepiece_model_pb2 as proto

    spec = proto.ModelProto()
    spec.ParseFromString(data)

    def add(writer):
        writer.add_tokenizer_model(kind)
        writer.add_token_list([p.piece.encode() for p in spec.pieces])
        writer.add_token_scores([p.score for p in spec.pieces])
        writer.add_token_types([p.type for p in spec.pieces])
        writer.add_unk_token_id(spec.trainer_spec.unk_id)
        writer.add_bos_token_id(spec.trainer_spec.bos_id)
        writer.add_eos_token_id(spec.trainer_spec.eos_id)
        writer.add_add_space_prefix(spec.normalizer_spec.add_dummy_prefix)
        if kind == "t5":
            writer.add_remove_extra_whitespaces(spec.normalizer_spec.remove_extra_whitespaces)
            if spec.normalizer_spec.precompiled_charsmap:
                writer.add_precompiled_charsmap(spec.normalizer_spec.precompiled_charsmap)

    return model(path, len(spec.pieces), add)


def byte_pairs(path, name, pre, size=None):
    """`size`: of so many first tokens of the vocabulary, and those added."""
    spec = json.loads(tokenizer_json(name).read_text())
    vocab = {piece: id for piece, id in spec["model"]["vocab"].items() if size is None or id < size}
    special = {t["content"]: t["special"] for t in spec["added_tokens"]}
    vocab.update({t["content"]: t["id"] if size is None else size + i for i, t in enumerate(spec["added_tokens"])})
    pieces = [f"[UNUSED{i}]" for i in range(max(vocab.values()) + 1)]
    types = [gguf.TokenType.UNUSED] * len(pieces)
    for piece, number in vocab.items():
        pieces[number] = piece
        types[number] = gguf.TokenType.NORMAL
        if piece in special:
            types[number] = gguf.TokenType.CONTROL if special[piece] else gguf.TokenType.USER_DEFINED
    merges = [m if isinstance(m, str) else " ".join(m) for m in spec["model"]["merges"]]
    merges = [m for m in merges if m.replace(" ", "", 1) in vocab]

    def add(writer):
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(pieces)
        writer.add_token_types(types)
        writer.add_token_merges(merges)

    return model(path, len(pieces), add), list(special)


def compare(path, specials):
    texts = [t for t in random_texts(specials, 21, COUNT, parts=TEXTS)
             if "\x00" not in t and t and not any(ord(c) in range(0x16D00, 0x16E00) for c in t)]
    theirs = ask([{"text": t} for t in texts], path)
    mine = ours(path, texts, "--no-template")
    wrong = [(t, m["ids"], r) for t, m, r in zip(texts, mine, theirs, strict=True) if m["ids"] != r]
    print(f"\n{len(texts)} strings, {len(wrong)} different")
    assert not wrong, f"{len(wrong)} of {len(texts)} differ: {wrong[:2]!r}"


@pytest.mark.parametrize("name, pre", [("llama3", "llama-bpe"), ("qwen2_5", "qwen2"), ("gpt4o", "gpt-4o"),
                                       ("deepseek_v3", "deepseek-v3")])
def test_byte_pairs(tmp_path, name, pre):
    compare(*byte_pairs(tmp_path / "tiny.gguf", name, pre))


# Every splitting that this llama.cpp knows, over the beginning of one vocabulary, which is loaded sooner.
@pytest.mark.parametrize("pre", ["afmoe", "bailingmoe", "bloom", "chameleon", "command-r", "dbrx", "deepseek-coder",
                                 "deepseek-llm", "default", "exaone-moe", "falcon", "gpt-2", "granite-embed-multi-97m",
                                 "jais-2", "kimi-k2", "laguna", "minicpm5", "poro-chat", "qwen35", "seed-coder",
                                 "smollm", "spark2_5", "superbpe", "tekken", "tiny_aya", "ufakzeka", "viking",
                                 "youtu"])
def test_splitting(tmp_path, pre):
    compare(*byte_pairs(tmp_path / "tiny.gguf", "qwen2_5", pre, 8000))


@pytest.mark.parametrize("name", ["tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3"])
def test_scored_byte_pairs(tmp_path, name):
    compare(scored(tmp_path / "tiny.gguf", mistral(name).read_bytes(), "llama"), ["<s>", "</s>", "[INST]"])


@pytest.mark.parametrize("rule", ["nmt_nfkc", "identity"])
def test_unigram(tmp_path, rule):
    data = trained_sentence_piece("unigram", normalization_rule_name=rule)
    compare(scored(tmp_path / "tiny.gguf", data, "t5"), ["<s>", "</s>"])
