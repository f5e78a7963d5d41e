"""Real models against transformers: SmolLM2 in Q4_1 (its GGUF dequantised to fp32), MiniLM in fp32."""

import json
import os
import pathlib
import subprocess

import numpy
import pytest
import torch
import transformers

import gguf_reference
import probes

MODELS = pathlib.Path(os.environ.get("TESSERA_HOME") or pathlib.Path(
    os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local/share") / "tessera/models")
SMOLLM2 = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = MODELS / "all-MiniLM-L6-v2"
# English prose that every Debian system has.
TEXT = pathlib.Path("/usr/share/common-licenses/GPL-3")
TOKENS = int(os.environ.get("TESSERA_PARITY_TOKENS", "2000"))

PROMPTS = ["What is the capital of France?", "Why is the sky blue?",
           "Write a haiku about the sea.", "List three prime numbers.",
           "Translate \"good morning\" into Spanish."]
# Where the reference's two highest logits are nearer than this, rounding may choose either.
MARGIN = 0.03
END = {0, 2}


def tessera(*arguments):
    done = subprocess.run([probes.BINARY, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def smollm2():
    if not SMOLLM2.exists():
        pytest.skip(f"{SMOLLM2} is not there: scripts/setup.sh")
    return gguf_reference.load(SMOLLM2)


@pytest.fixture(scope="module")
def english():
    return TEXT.read_text()


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def nll(logits, ids):
    """Negative log-likelihood of every id after the first, in nats."""
    chosen = torch.log_softmax(torch.as_tensor(logits).double(), -1)[:-1]
    return -chosen.gather(1, torch.tensor(ids[1:])[:, None]).sum().item()


def test_negative_log_likelihood(smollm2, english):
    """As --precise has it, and as it is by default."""
    ids = tessera("tokenize", "-m", SMOLLM2, "--json", english)["ids"][:TOKENS]
    theirs = logits_of(smollm2, ids)
    want = nll(theirs, ids)
    for rounding, most in [("15bit", 0.0005), ("mixed", 0.004)]:
        with probes.Logits(SMOLLM2, rounding) as network:
            ours = network(ids)
        got = nll(ours.copy(), ids)
        difference = (torch.as_tensor(ours.copy()) - theirs)
        spread = float((difference - difference.mean(1, keepdim=True)).square().mean().sqrt())
        print(f"\n{rounding}: negative log-likelihood of {len(ids)} tokens: transformers {want:.3f}, "
              f"Tessera {got:.3f} ({100 * (got / want - 1):+.4f} %); logits differ by {spread:.4f} (rms)")
        assert abs(got / want - 1) < most


def test_score_is_that_likelihood(smollm2, english, tmp_path):
    head = english[:4000]
    (tmp_path / "text").write_text(head)
    scored = tessera("score", "-m", SMOLLM2, "--precise", tmp_path / "text", "--json")
    ids = tessera("tokenize", "-m", SMOLLM2, "--json", head)["ids"]
    want = nll(logits_of(smollm2, ids), ids)
    assert scored["tokens"] == len(ids) - 1
    assert abs(scored["nll"] / want - 1) < 0.0005


def prompt_ids(prompt):
    shown = subprocess.run([probes.BINARY, "run", "-m", SMOLLM2, "--show-prompt", prompt],
                           capture_output=True, text=True, check=True)
    line = [l for l in (shown.stdout + shown.stderr).splitlines() if " tokens: " in l][-1]
    return [int(i) for i in line.split(" tokens: ")[1].split()]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_answer(smollm2, prompt):
    answer = tessera("run", "-m", SMOLLM2, "--precise", "--max-tokens", 48, "--temp", 0, "--json", prompt)
    want, gaps = gguf_reference.greedy(smollm2, prompt_ids(prompt), 48, END)
    want = [i for i in want if i not in END]
    got = [i for i in answer["ids"] if i not in END]
    first = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    print(f"\n{prompt}: {first} of {len(want)} ids equal, least gap before {min(gaps[:first]):.3f}")
    assert got == want or gaps[first] < MARGIN, f"id {first}, gap {gaps[first]:.3f}"


def test_capital_of_france():
    assert "Paris" in tessera("run", "-m", SMOLLM2, "--json", PROMPTS[0])["text"]


def test_sentence_vectors(english):
    if not MINILM.exists():
        pytest.skip(f"{MINILM} is not there: scripts/setup.sh --tests")
    model = transformers.AutoModel.from_pretrained(MINILM, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM)
    texts = ["A short one.", "x", "Straße, naïve, 東京 and emoji \U0001f600",
             "How do I sort a list?", "Sorting lists in Python is done with sorted()."]
    words = english.split()
    texts += [" ".join(words[i:i + 20 + 7 * i % 150]) for i in range(0, 4000, 137)]
    lines = subprocess.run([probes.BINARY, "embed", "-m", MINILM, "--file", "-", "--lines", "--json"],
                           input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
    least = 1.0
    for text, line in zip(texts, lines.stdout.splitlines(), strict=True):
        batch = tokenizer(text, return_tensors="pt", truncation=True, max_length=256)
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state[0].mean(0).double()
        got = torch.tensor(json.loads(line)["embedding"], dtype=torch.float64)
        least = min(least, float(torch.nn.functional.cosine_similarity(hidden, got, 0)))
        assert abs(float(got.norm()) - 1) < 1e-5
    print(f"\nleast cosine of {len(texts)} texts: {least:.8f}")
    assert least >= 0.9999
