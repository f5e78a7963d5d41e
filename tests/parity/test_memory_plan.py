"""The memory plan of `inspect` against the peak resident size of a run: within 10 %."""

import json
import os
import subprocess

import pytest

BINARY = os.environ.get("TESSERA_BIN", "build/bin/tessera")


@pytest.mark.parametrize("tokens", [16, 512, 2000])
def test_peak(tokens):
    def run(*arguments):
        out = subprocess.run([BINARY, *arguments, "-m", "smollm2", "--json"], capture_output=True,
                             text=True, check=True).stdout
        return json.loads(out.splitlines()[-1])
    measured = run("bench", "model", "--prompt-tokens", str(tokens), "--tokens", "2")
    plan = run("inspect", "--context", str(tokens + 2))["memory"]
    assert plan["weights"] == measured["weight_bytes"]
    assert plan["peak"] == pytest.approx(measured["peak_memory_bytes"], rel=0.1)
