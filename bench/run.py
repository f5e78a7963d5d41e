#!/usr/bin/env python3
"""Duels with the peers: contestants alternate in one run, same file, same threads, same input.

    bench/run.py model [--threads 2] [--prompt-tokens 512] [--tokens 64] [--rounds 5]
    bench/run.py tokenizer --file TEXT [--rounds 5]

Peers come from `scripts/setup.sh --peers`; a missing one is named and left out.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("TESSERA_CACHE", pathlib.Path.home() / ".cache/tessera"))
PYTHON = os.environ.get("TESSERA_PEERS_PYTHON", str(CACHE / "peers/bin/python"))
NODE_MODULES = CACHE / "node/node_modules"
TESSERA = os.environ.get("TESSERA_BIN", str(ROOT / "build/bin/tessera"))


def models_folder():
    if "TESSERA_HOME" in os.environ:
        return pathlib.Path(os.environ["TESSERA_HOME"])
    return pathlib.Path(os.environ.get("XDG_DATA_HOME", pathlib.Path.home() / ".local/share")) / "tessera/models"


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def model_contestants(args):
    file = models_folder() / "SmolLM2-135M-Instruct.Q4_1.gguf"
    sizes = [str(args.threads), str(args.prompt_tokens), str(args.tokens)]
    yield "tessera", lambda: run([TESSERA, "bench", "model", "-m", str(file), "-j", sizes[0], "--prompt-tokens",
                                  sizes[1], "--tokens", sizes[2], "--json"])
    if NODE_MODULES.is_dir():
        # Modules are found beside the script that imports them.
        work = CACHE / "node"
        shutil.copy(ROOT / "bench/model/llama_cpp.mjs", work)
        yield "llama.cpp", lambda: run(["node", str(work / "llama_cpp.mjs"), str(file), *sizes])
    else:
        print(f"llama.cpp left out: {NODE_MODULES} is not there", file=sys.stderr)
    if pathlib.Path(PYTHON).exists():
        yield "transformers bf16", lambda: run([PYTHON, str(ROOT / "bench/model/transformers_bf16.py"), *sizes])
    else:
        print(f"transformers left out: {PYTHON} is not there", file=sys.stderr)


def tokenizer_contestants(args):
    vocabulary = args.vocabulary or str(models_folder() / "all-MiniLM-L6-v2/tokenizer.json")
    yield "tessera", lambda: run([TESSERA, "bench", "tokenizer", "-m", vocabulary, "--file", args.file, "--json"])
    if pathlib.Path(PYTHON).exists():
        yield "tokenizers", lambda: run([PYTHON, str(ROOT / "bench/tokenizer/hf_tokenizers.py"), vocabulary, args.file])


def duel(contestants, rounds, fields):
    contestants = list(contestants)
    results = {name: [] for name, _ in contestants}
    for i in range(rounds):
        for name, measure in contestants:
            print(f"round {i + 1} of {rounds}: {name}", file=sys.stderr)
            results[name].append(measure())
    for field in fields:
        ours = statistics.median(r[field] for r in results["tessera"])
        for name, rows in results.items():
            values = [r[field] for r in rows]
            middle = statistics.median(values)
            ratio = "" if name == "tessera" else f"   tessera is {ours / middle:.2f}x"
            print(f"{field:22} {name:18} {middle:10.1f} [{min(values):.1f}..{max(values):.1f}]{ratio}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["model", "tokenizer"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--file", help="text for the tokenizer task")
    parser.add_argument("--vocabulary", help="tokenizer.json for the tokenizer task [MiniLM's]")
    args = parser.parse_args()
    if args.task == "model":
        duel(model_contestants(args), args.rounds, ["prefill_tokens_per_s", "decode_tokens_per_s"])
    elif not args.file:
        parser.error("--file TEXT is missing")
    else:
        duel(tokenizer_contestants(args), args.rounds, ["mb_per_s_first", "mb_per_s"])


if __name__ == "__main__":
    main()
