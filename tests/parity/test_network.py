"""Forward passes of every family against transformers: eager attention, fp32, random tiny weights.

Decoders: log-probabilities of a text longer than every window, in one pass and through the cache.
Encoders: hidden states of every token, and vectors pooled as sentence-transformers' files ask.
"""

import json

import numpy
import pytest
import torch

import probes
import tiny_models

TOLERANCE = 1e-3
LENGTH = 60          # beyond every window and longrope's original context
CUTS = {"whole": [], "prefill 20": list(range(20, LENGTH)), "token by token": list(range(1, LENGTH)),
        "pieces": [7, 8, 33, 34]}


def text(seed, length=LENGTH):
    return numpy.random.default_rng(seed).integers(3, 96, length).tolist()


def log_probabilities(logits):
    return torch.log_softmax(torch.as_tensor(logits).double(), -1)


def assert_near(got, want):
    got, want = torch.as_tensor(got), torch.as_tensor(want)
    assert got.shape == want.shape
    error = float((got - want).abs().max())
    assert error < TOLERANCE, f"largest difference {error:.2e}"


@pytest.mark.parametrize("name", [n for n in tiny_models.CASES if n not in tiny_models.ENCODERS])
def test_decoder(name, tmp_path):
    model = tiny_models.write(name, tmp_path, spread=0.25)
    # transformers takes longrope's long factors for a text beyond the original context.
    options = ["context=64"] if name == "phi3-longrope" else []
    with probes.Logits(tmp_path, *options) as network:
        for seed in range(2):
            ids = text(seed)
            with torch.no_grad():
                want = log_probabilities(model(torch.tensor([ids])).logits[0])
            # A test of positions that matter: another order of the text gives other answers.
            with torch.no_grad():
                swapped = log_probabilities(model(torch.tensor([ids[1::-1] + ids[2:]])).logits[0])
            assert float((swapped[2:] - want[2:]).abs().max()) > 100 * TOLERANCE
            for cut, cuts in CUTS.items():
                got = log_probabilities(network(ids, cuts).copy())
                error = float((got - want).abs().max())
                assert error < TOLERANCE, f"{cut}: largest difference {error:.2e}"


def test_longrope_of_a_short_text(tmp_path):
    model = tiny_models.write("phi3-longrope", tmp_path, spread=0.25)
    with probes.Logits(tmp_path) as network:
        ids = text(0, 32)
        with torch.no_grad():
            assert_near(network(ids).copy(), model(torch.tensor([ids])).logits[0])


@pytest.mark.parametrize("name", tiny_models.ENCODERS)
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_encoder(name, pooling, tmp_path):
    model = tiny_models.write(name, tmp_path, spread=0.25)
    (tmp_path / "modules.json").write_text(json.dumps([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]))
    (tmp_path / "1_Pooling").mkdir()
    key = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(
        {"word_embedding_dimension": 32, **{"pooling_mode_" + v: k == pooling for k, v in key.items()}}))
    with probes.Logits(tmp_path) as network:
        for length in (1, 2, 17, 60):
            ids = text(length, length)
            with torch.no_grad():
                want = model.base_model(torch.tensor([ids])).last_hidden_state[0]
            assert_near(network(ids, want="hidden").copy(), want)
            pooled = {"mean": want.mean(0), "cls": want[0], "max": want.max(0).values}[pooling]
            assert_near(network(ids, want="pooled").copy(), pooled / pooled.norm())
