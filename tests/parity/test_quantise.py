"""Stored elements against the Python package `gguf` (gguf.quants), which follows ggml's reference.

Needs build/tests/quantise_probe, beside the binary that $TESSERA_BIN names.
"""

import os
import pathlib
import subprocess

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from gguf import GGML_QUANT_SIZES, quants

BINARY = pathlib.Path(os.environ.get("TESSERA_BIN", "build/bin/tessera"))
PROBE = BINARY.parent.parent / "tests" / "quantise_probe"

READ = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0",
        "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
WRITTEN = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]
# Byte offsets of the binary16 scales of a block: random bytes there could be NaN.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0],
          "IQ4_XS": [0]}


def probe(action, kind, elements, data):
    return subprocess.run([PROBE, action, str(int(kind)), str(elements)], input=data.tobytes(),
                          capture_output=True, check=True).stdout


@pytest.mark.parametrize("name", READ)
def test_dequantise(name):
    kind = Type[name]
    per_block, size = GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(1)
    blocks = random.integers(0, 256, (400 if per_block > 1 else 4096, size), dtype=np.uint8)
    for at in SCALES.get(name, []):
        scale = random.normal(size=len(blocks)).astype(np.float16)
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(-1, 2)
    if per_block == 1:
        blocks = random.normal(size=4096).astype(np.float16).view(np.uint8).reshape(-1, 2)
    elements = len(blocks) * per_block
    ours = np.frombuffer(probe("dequantise", kind, elements, blocks), np.float32)
    theirs = quants.dequantize(blocks.reshape(1, -1), kind).reshape(-1)
    # Same order of operations: the same bits.
    assert np.array_equal(ours.view(np.uint32), theirs.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("name", WRITTEN)
def test_quantise(name):
    kind = Type[name]
    random = np.random.default_rng(2)
    values = (random.normal(size=(300, 256)) * random.lognormal(size=(300, 1))).astype(np.float32)
    values[3] = 0
    values[4, ::2] = 1
    ours = np.frombuffer(probe("quantise", kind, values.size, values), np.uint8)
    theirs = np.ascontiguousarray(quants.quantize(values, kind)).view(np.uint8).reshape(-1)
    assert np.array_equal(ours, theirs)
