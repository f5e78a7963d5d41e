#!/usr/bin/env python3
"""Prints the table of speeds and ratios of docs/performance.md: contestants alternate, same file, same threads.

    bench/inference.sh [--threads 1,2] [--rounds 3]

bench/inference.sh builds and fetches what this needs. A peer that cannot run here is named and left out.
"""
import argparse
import shutil
import statistics
import subprocess
import sys
import time

import texts
from run import PYTHON, ROOT, TESSERA, models_folder, run

sys.path.insert(0, str(ROOT / "tests/parity"))
MODEL = str(models_folder() / "SmolLM2-135M-Instruct.Q4_1.gguf")
# What is measured: tokens of prompt, tokens decoded, field, least ratio to llama.cpp and to transformers.
ROWS = [("decode at context 16", 16, 64, "decode_tokens_per_s", 4.0, None),
        ("decode at context 1,024", 1024, 32, "decode_tokens_per_s", 3.5, None),
        ("prefill 512", 512, 1, "prefill_tokens_per_s", 5.5, 2.3),
        ("prefill 1,024", 1024, 1, "prefill_tokens_per_s", 5.5, 2.3)]


def llama_cpp():
    """The command that measures llama.cpp's npm build; None where it cannot run."""
    import test_llama_cpp as peer
    try:
        peer.install()
        script = shutil.copy(ROOT / "bench/model/llama_cpp.mjs", peer.FOLDER / "bench.mjs")
        command = [peer.node(), str(script)]
        subprocess.run([*command, MODEL, "1", "8", "1"], check=True, capture_output=True)
        return command
    except BaseException as error:  # pytest's skip is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        print(f"llama.cpp left out: {error}", file=sys.stderr)
        return None


def ours(*flags):
    return run([TESSERA, "bench", "model", "-m", MODEL, "--rounds", "2", "--json", *map(str, flags)])


def spread(values):
    return f"{statistics.median(values):,.0f} [{min(values):,.0f}..{max(values):,.0f}]"


def duels(threads, rounds, node):
    for name, prompt, tokens, field, *goals in ROWS:
        sizes = [str(threads), str(prompt), str(tokens)]
        contestants = [lambda: ours("-j", threads, "--prompt-tokens", prompt, "--tokens", tokens)]
        contestants.append(node and (lambda: run([*node, MODEL, *sizes])))
        contestants.append(lambda: run([PYTHON, str(ROOT / "bench/model/transformers_bf16.py"), *sizes]))
        values = [[] for _ in contestants]
        for i in range(rounds):
            print(f"{name}, {threads} threads, round {i + 1} of {rounds}", file=sys.stderr)
            for mine, measure in zip(values, contestants):
                if measure:
                    mine.append(measure()[field])
        cells = [spread(values[0])]
        for peer, goal in zip(values[1:], goals):
            if peer:
                ratio = statistics.median(values[0]) / statistics.median(peer)
                cells.append(f"{spread(peer)}: {ratio:.1f}x" + (f" (goal {goal})" if goal else ""))
            else:
                cells.append("-")
        print(f"| {name} | {threads} | " + " | ".join(cells) + " |", flush=True)


def own_ratios(threads, rounds):
    one, eight, shares, precise, costs = [], [], [], [], []
    for i in range(rounds):
        print(f"batch and floor, {threads} threads, round {i + 1} of {rounds}", file=sys.stderr)
        short = ("-j", threads, "--prompt-tokens", 64, "--tokens", 32)
        one.append(ours(*short)["decode_tokens_per_s"])
        eight.append(ours(*short, "--batch", 8)["decode_tokens_per_s"])
        four = ours("-j", threads, "--prompt-tokens", 16, "--tokens", 32, "--verify", 4)
        costs.append(four["decode_tokens_per_s"] / four["verify_passes_per_s"])
        profile = ours("-j", threads, "--prompt-tokens", 16, "--tokens", 32, "--profile")["profile"]["decode"]
        shares.append(profile["floor_seconds"] / profile["seconds"])
        precise.append(ours("-j", threads, "--prompt-tokens", 512, "--tokens", 1,
                            "--precise")["prefill_tokens_per_s"])
    print(f"| batch of 8, all tokens | {threads} | {spread(eight)}: "
          f"{statistics.median(eight) / statistics.median(one):.1f}x one alone (goal 4) | | |")
    print(f"| checking 4 drafted tokens | {threads} | {statistics.median(costs):.2f} times the time of one "
          "(goal 1.2) | | |")
    print(f"| decode, share of the floor measured beside it | {threads} | "
          f"{100 * statistics.median(shares):.0f} % (goal 75) | | |")
    print(f"| prefill 512 with `--precise` | {threads} | {spread(precise)} | | |", flush=True)


def sentences():
    """A file of 1,000 sentences of the English manual, a line each."""
    path = texts.CACHE / "sentences.txt"
    manual = texts.text("en-us").read_text(encoding="utf-8")
    lines = [s for s in manual.splitlines() if 40 <= len(s) <= 200 and s.endswith(".")]
    path.write_text("\n".join(lines[100:1100]) + "\n", encoding="utf-8")
    return path


def embedding(threads, rounds):
    """Seconds for all sentences: ours without start and loading, which one sentence alone shows."""
    folder, path = str(models_folder() / "all-MiniLM-L6-v2"), sentences()
    first = path.with_suffix(".one")
    first.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")

    def seconds_of(file):
        start = time.perf_counter()
        subprocess.run([TESSERA, "embed", "-m", folder, "-j", str(threads), "--lines", "--json", "--file", str(file)],
                       check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    mine, peer = [], []
    for i in range(rounds):
        print(f"sentences, {threads} threads, round {i + 1} of {rounds}", file=sys.stderr)
        mine.append(1000 / (min(seconds_of(path) for _ in range(3)) - min(seconds_of(first) for _ in range(3))))
        peer.append(1000 / run([PYTHON, str(ROOT / "bench/model/minilm_transformers.py"), str(threads), folder,
                                str(path)])["seconds"])
    print(f"| MiniLM, sentences a second (transformers in fp32) | {threads} | {spread(mine)} | - | {spread(peer)}: "
          f"{statistics.median(mine) / statistics.median(peer):.1f}x (goal 2) |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", help="numbers of threads [1,2]")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    node = llama_cpp()
    print("| tokens a second, median [range] | threads | Tessera | llama.cpp | transformers, bf16 |\n|---|---|---|---|---|")
    for threads in map(int, args.threads.split(",")):
        duels(threads, args.rounds, node)
        own_ratios(threads, args.rounds)
        embedding(threads, args.rounds)


if __name__ == "__main__":
    main()
