#!/usr/bin/env python3
"""What `tessera tokenizer train --memory` holds on texts beyond it, made on the way to its standard input.

    bench/memory.py [--megabytes 4000] [--memory 1G] [--model bpe] [--vocab-size 32000] [--spaces keep|drop|one-line]

The text is LibreOffice's manual in English and Turkish, again and again; in every copy the letters of ASCII stand for
others, so that nearly all of its words are new ones. `drop` takes out the spaces, `one-line` the lines' ends, too. Prints
a line of JSON: bytes, seconds, and the largest resident size that the system saw.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time

from texts import text

BINARY = os.environ.get("TESSERA_BIN", "build/bin/tessera")


def copies(total, spaces):
    manual = b"".join(text(name).read_bytes() for name in ("en-us", "tr"))
    if spaces != "keep":
        manual = manual.replace(b" ", b"")
    if spaces == "one-line":
        manual = manual.replace(b"\n", b"")
    lower = b"abcdefghijklmnopqrstuvwxyz"
    for number in range(10**9):
        draw = random.Random(number)
        others = bytes(draw.sample(lower, len(lower)))
        table = bytes.maketrans(lower + lower.upper(), others + others.upper())
        copy = manual.translate(table)[:total]
        yield copy
        total -= len(copy)
        if total <= 0:
            return


def main():
    flags = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    flags.add_argument("--megabytes", type=float, default=4000)
    flags.add_argument("--memory", default="1G")
    flags.add_argument("--model", default="bpe")
    flags.add_argument("--vocab-size", type=int, default=32000)
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--spaces", choices=["keep", "drop", "one-line"], default="keep")
    asked = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.json"
        begin = time.monotonic()
        trainer = subprocess.Popen(
            [BINARY, "tokenizer", "train", "--model", asked.model, "--vocab-size", str(asked.vocab_size), "--memory",
             asked.memory, "-j", str(asked.threads), "--json", "-o", out, "-"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        for copy in copies(int(asked.megabytes * 1e6), asked.spaces):
            trainer.stdin.write(copy)
        trainer.stdin.close()
        made = json.loads(trainer.stdout.read())
        _, status, used = os.wait4(trainer.pid, 0)
        if status != 0:
            raise SystemExit(f"the trainer ended with {os.waitstatus_to_exitcode(status)}")
        print(json.dumps({
            "model": asked.model, "spaces": asked.spaces, "memory": asked.memory, "bytes": made["bytes"],
            "words": made["words"], "distinct": made["distinct"], "tokens": made["tokens"],
            "seconds": round(time.monotonic() - begin, 1), "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
            "peak_megabytes": round(used.ru_maxrss * 1024 / 1e6), "notes": made["notes"]}))


if __name__ == "__main__":
    main()
