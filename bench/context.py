#!/usr/bin/env python3
"""What attention costs a decoded token under each context policy, beside full attention of the same binary.

  bench/context.py [--tokens 8000] [--decode 32] [--rounds 3] [--threads 2] [SPEC..]

Attention time is the time of a decoded token at --tokens of context, less that at 16 tokens, where there is nothing to
attend to. Policies take turns within a round, so that load from elsewhere falls on all of them; the best round counts.
"""

import argparse
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
STANDARD = [
    "recycled:budget=1000",
    "quest:budget=1000",
    "token-select:sinks=16,k=728,local=256,chunk=256",
    "long-heads:budget=1024,chunk=128,begin=1024",
    "snapkv:budget=1000",
    "streaming:local=996",
]


def seconds_a_token(options, policy, tokens):
    """Seconds of one decoded token after `tokens` of prompt."""
    command = [options.binary, "bench", "model", "--json", "--rounds", "1", "-j", str(options.threads),
               "--prompt-tokens", str(tokens), "--tokens", str(options.decode), "--context", policy]
    if options.model:
        command += ["-m", options.model]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return 1 / json.loads(out)["decode_tokens_per_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("policies", nargs="*", default=STANDARD, metavar="SPEC")
    parser.add_argument("--binary", default=str(ROOT / "build/bin/tessera"))
    parser.add_argument("-m", "--model", default="")
    parser.add_argument("--tokens", type=int, default=8000)
    parser.add_argument("--decode", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    policies = ["full", *options.policies]
    best = dict.fromkeys(policies, float("inf"))
    empty = float("inf")
    for _ in range(options.rounds):
        empty = min(empty, seconds_a_token(options, "full", 16))
        for policy in policies:
            best[policy] = min(best[policy], seconds_a_token(options, policy, options.tokens))
    full = best["full"] - empty
    print(f"a token without a past {1e3 * empty:.2f} ms; at {options.tokens} tokens of context:")
    print(f"{'policy':<52} {'ms a token':>10} {'attention':>10} {'of full':>8}")
    for policy in policies:
        attention = best[policy] - empty
        share = attention / full if full > 0 else float("nan")
        print(f"{policy:<52} {1e3 * best[policy]:>10.2f} {1e3 * attention:>10.2f} {share:>8.2f}")


if __name__ == "__main__":
    main()
