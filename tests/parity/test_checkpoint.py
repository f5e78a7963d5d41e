"""Checkpoints that transformers writes: every parameter lands in its place.

The probe refuses a tensor that it gives no place, so opening is half of the test. The other half
compares each parameter with the model's own, fused ones taken apart as the model's forward pass
takes them apart. Needs build/tests/checkpoint_probe, beside the binary that $TESSERA_BIN names.
"""

import os
import pathlib
import subprocess

import pytest
import torch

import tiny_models

BINARY = pathlib.Path(os.environ.get("TESSERA_BIN", "build/bin/tessera"))
PROBE = BINARY.parent.parent / "tests" / "checkpoint_probe"

QUERY, KEY, VALUE, GATE, UP = 6, 7, 8, 15, 16


def weighed(tensor):
    flat = tensor.detach().double().reshape(-1)
    weights = 1 + (torch.arange(len(flat)) % 7).double()
    return float((flat * weights).sum())


def split_qkv(name, fused, config):
    """query, key, value rows of a fused weight [out, in] or bias [out]."""
    heads = config.num_attention_heads
    width = config.hidden_size // heads
    tail = fused.shape[1:]
    if name.startswith("gpt2"):
        return fused.chunk(3, 0)
    if name.startswith("phi3"):
        kv = config.num_key_value_heads * width
        return fused.split([heads * width, kv, kv], 0)
    if name in ("falcon-7b",):
        return fused.split([heads * width, width, width], 0)
    groups = config.num_kv_heads if name in ("falcon-40b", "falcon-11b") else heads
    grouped = fused.view(groups, heads // groups + 2, width, *tail)
    return (grouped[:, :-2].reshape(-1, *tail), grouped[:, -2].reshape(-1, *tail),
            grouped[:, -1].reshape(-1, *tail))


def expected(name, model, module, kind, part, expert):
    state = model.state_dict()
    if expert >= 0:
        base = module.split(".block_sparse_moe")[0] + ".mlp.experts."
        if part in (GATE, UP):
            return state[base + "gate_up_proj"][expert].chunk(2, 0)[part - GATE]
        return state[base + "down_proj"][expert]
    module = module.replace(".block_sparse_moe.gate", ".mlp.gate")
    module = module.replace("embed_out", "lm_head")   # renamed in memory by version 5
    tensor = state[f"{module}.{kind}"]
    if name.startswith("gpt2") and tensor.dim() == 2 and ".c_" in module:
        tensor = tensor.t()
    fused = module.endswith(("c_attn", "query_key_value", "qkv_proj"))
    if part in (QUERY, KEY, VALUE) and fused:
        return split_qkv(name, tensor, model.config)[part - QUERY]
    if module.endswith("gate_up_proj"):
        return tensor.chunk(2, 0)[part - GATE]
    return tensor


@pytest.mark.parametrize("name", tiny_models.CASES)
def test_every_parameter(name, tmp_path):
    model = tiny_models.write(name, tmp_path)
    run = subprocess.run([PROBE, tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lines = [line.split() for line in run.stdout.splitlines()]
    assert len(lines) > 10
    for kind, module, part, _, expert, rows, columns, total in lines:
        tensor = expected(name, model, module, kind, int(part), int(expert))
        assert tensor.numel() == int(rows) * int(columns), (module, part)
        assert float(total) == pytest.approx(weighed(tensor), abs=1e-4), (module, part)
