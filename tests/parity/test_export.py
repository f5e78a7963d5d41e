"""GGUF files made of safetensors: llama.cpp (npm's build) loads them and continues texts as transformers does.

Random tiny checkpoints with SmolLM2's vocabulary; the reference is the checkpoint itself in fp32.
"""

import json
import random
import subprocess

import pytest
import torch
import transformers

import probes
import tiny_models
from test_llama_cpp import ask
from test_models import PROMPTS as PROMPTS_OF_PEOPLE
from test_models import SMOLLM2, prompt_ids

# llama.cpp keeps keys and values in 16 bits; nothing else of it is coarser than fp32.
MARGIN = 0.02
PROMPTS = 12
WIDE = dict(vocab_size=49152, hidden_size=64, intermediate_size=96, head_dim=16, initializer_range=0.2,
            bos_token_id=1, eos_token_id=2)
SERVED = ["llama", "llama-llama3", "llama-biases", "llama-linear", "mistral", "mixtral", "smollm3", "qwen2", "qwen3", "olmo2",
          "gemma", "gemma2", "gemma3", "phi3"]


def checkpoint(name, folder, **more):
    kind, keys = tiny_models.CASES[name]
    if "sliding_window" in keys and not kind.startswith("gemma"):
        keys = dict(keys, sliding_window=keys["max_position_embeddings"])  # GGUF has none for these
    if "query_pre_attn_scalar" in keys:
        keys = dict(keys, query_pre_attn_scalar=WIDE["head_dim"])  # as GGUF takes it to be
    keys = dict(keys, **{k: v for k, v in WIDE.items() if k != "head_dim" or kind not in ("qwen2", "smollm3", "olmo2")})
    if kind.startswith("qwen"):
        keys = dict(keys, vocab_size=49200)  # more rows than tokens
    keys = dict(keys, **more)
    torch.manual_seed(7)
    config = transformers.AutoConfig.for_model(kind, **keys)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory):
    if not SMOLLM2.exists():
        pytest.skip(f"{SMOLLM2} is not there: scripts/setup.sh")
    path = tmp_path_factory.mktemp("vocabulary") / "tokenizer.json"
    subprocess.run([probes.BINARY, "tokenizer", "convert", SMOLLM2, "-o", path, "--probes", "500"], check=True)
    return path


@pytest.mark.parametrize("name", SERVED)
def test_continues_as_transformers_does(name, vocabulary, tmp_path):
    model = checkpoint(name, tmp_path / "model")
    spec = json.loads(vocabulary.read_text())
    if name.startswith("qwen"):
        spec["normalizer"] = {"type": "NFC"}  # which GGUF leaves out
    (tmp_path / "model" / "tokenizer.json").write_text(json.dumps(spec))
    path = tmp_path / "model.gguf"
    subprocess.run([probes.BINARY, "convert", "-m", tmp_path / "model", "-o", path, "--type", "f32"], check=True)
    draw = random.Random(3)
    prompts = [[draw.randrange(100, 49000) for _ in range(draw.randint(2, 30))] for _ in range(PROMPTS)]
    theirs = ask([{"ids": p, "count": 1} for p in prompts], str(path))
    with probes.Logits(path) as ours, torch.no_grad():
        for prompt, answer in zip(prompts, theirs, strict=True):
            want = model(torch.tensor([prompt])).logits[0, -1]
            got = torch.tensor(ours(prompt)[-1])
            assert (got - want).abs().max() < MARGIN
            # No id: llama.cpp ends a text without saying by which token.
            if answer:
                assert want[answer[0]] > want.max() - MARGIN


# llama.cpp rounds what goes into quantised weights to 8 bits.
@pytest.mark.parametrize("kind", ["q4_k", "q5_k", "q6_k"])
def test_fitted_types_are_read_alike(kind, vocabulary, tmp_path):
    checkpoint("llama", tmp_path / "model", hidden_size=256, intermediate_size=512, initializer_range=0.1)
    (tmp_path / "model" / "tokenizer.json").write_bytes(vocabulary.read_bytes())
    path = tmp_path / "model.gguf"
    subprocess.run([probes.BINARY, "convert", "-m", tmp_path / "model", "-o", path, "--type", kind], check=True)
    draw = random.Random(5)
    prompts = [[draw.randrange(100, 49000) for _ in range(draw.randint(2, 20))] for _ in range(6)]
    theirs = ask([{"ids": p, "count": 1} for p in prompts], str(path))
    with probes.Logits(path) as ours:
        for prompt, answer in zip(prompts, theirs, strict=True):
            got = torch.tensor(ours(prompt)[-1])
            assert not answer or got[answer[0]] > got.max() - 0.02 * (got.max() - got.min())


def test_a_gguf_becomes_what_transformers_opens(vocabulary, tmp_path):
    folder = tmp_path / "folder"
    subprocess.run([probes.BINARY, "convert", "-m", SMOLLM2, "-o", folder, "--type", "f32"], check=True)
    tokens = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = prompt_ids(PROMPTS_OF_PEOPLE[0])
    assert tokens.apply_chat_template([{"role": "user", "content": PROMPTS_OF_PEOPLE[0]}],
                                      add_generation_prompt=True, return_dict=False) == ids
    with probes.Logits(SMOLLM2) as ours, torch.no_grad():
        want = model(torch.tensor([ids])).logits[0, -1]
        assert (torch.tensor(ours(ids)[-1]) - want).abs().max() < 0.2
    answer = model.generate(torch.tensor([ids]), max_new_tokens=8, do_sample=False)[0][len(ids):]
    assert "Paris" in tokens.decode(answer)


@pytest.mark.parametrize("name, lost", [("gemma2", "attention_scale"), ("gpt2", "family"),
                                        ("qwen2-window", "window of 8"), ("mistral", "window of 8")])
def test_says_what_a_gguf_cannot_hold(name, lost, vocabulary, tmp_path):
    kind, keys = tiny_models.CASES[name]
    config = transformers.AutoConfig.for_model(kind, **dict(keys, vocab_size=49152))
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").write_bytes(vocabulary.read_bytes())
    done = subprocess.run([probes.BINARY, "convert", "-m", tmp_path / "model", "-o", tmp_path / "model.gguf"],
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert lost in done.stderr and done.stderr.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]
