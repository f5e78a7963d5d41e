#!/usr/bin/env python3
"""What attention costs a decoded token under each context policy, beside full attention of the same binary.

  bench/context.py [--tokens 8000] [--decode 32] [--threads 2] [-m REF] [SPEC..]

One process reads the same text under every policy, then all of them decode the same tokens in turn, so that load from
elsewhere falls on all of them (`tessera bench context`); with --threads 1 processor seconds are counted, which neighbours do
not lengthen. Prints a table in Markdown and says which goals are met.
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
# The most that attention may take of full attention's time.
OF_FULL = {"recycled": 1 / 2, "quest": 1 / 3, "token-select": 1 / 3, "long-heads": 1 / 3}
# Those that free what they do not keep.
EVICTING = ("snapkv", "h2o", "streaming")


def measured(options):
    """One object a policy, full attention first."""
    command = [options.binary, "bench", "context", "--json", "-j", str(options.threads), "--prompt-tokens",
               str(options.tokens), "--tokens", str(options.decode)]
    for policy in options.policies:
        command += ["--context", policy]
    for flag, value in (("-m", options.model), ("--ctx", options.ctx), ("--rope-scaling", options.rope_scaling)):
        if value:
            command += [flag, value]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def goals(row):
    """(what, figure, whether it is reached) of a policy."""
    name = row["policy"].split(":")[0]
    if name in OF_FULL:
        yield f"attention at most {OF_FULL[name]:.2f} of full's", row["attention_of_full"], \
            row["attention_of_full"] <= OF_FULL[name]
        yield "choosing at most 20 % of what is saved", row["choosing_of_saved"], row["choosing_of_saved"] <= 0.2
    yield "a token at most 1.5 x reading its weights and keys", row["token_of_reading"], row["token_of_reading"] <= 1.5
    if name in EVICTING:
        yield "memory within 10 % of the budget", row["held_of_keys_read"], abs(row["held_of_keys_read"] - 1) <= 0.1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("policies", nargs="*", default=STANDARD, metavar="SPEC")
    parser.add_argument("--binary", default=str(ROOT / "build/bin/tessera"))
    parser.add_argument("-m", "--model", default="")
    parser.add_argument("--tokens", type=int, default=8000)
    parser.add_argument("--decode", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ctx", default="")
    parser.add_argument("--rope-scaling", default="")
    options = parser.parse_args()
    rows = measured(options)
    print(f"{rows[0]['steps']} of {options.decode} tokens behind {options.tokens}, {options.threads} threads, "
          f"{rows[0]['clock']} seconds\n")
    print("| policy | keys a step | attention, ms | of full's | choosing, of what is saved | ms a token | x reading | "
          "tokens/s | first token, s | MB held |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        held = (row["bytes_resident"] + row["bytes_policy"]) / 1e6
        choosing = "" if row is rows[0] else f"{100 * row['choosing_of_saved']:.0f} %"
        print(f"| `{row['policy']}` | {row['keys_per_decoded_step']:.0f} | {1e3 * row['attention_seconds']:.2f} | "
              f"{row['attention_of_full']:.2f} | {choosing} | {1e3 * row['token_seconds']:.2f} | "
              f"{row['token_of_reading']:.2f} | {row['decode_tokens_per_s']:.0f} | "
              f"{row['first_token_seconds']:.1f} | {held:.1f} |")
    print()
    for row in rows:
        for what, figure, reached in goals(row):
            print(f"{row['policy']}: {what}: {figure:.2f}, {'reached' if reached else 'missed'}")


if __name__ == "__main__":
    main()
