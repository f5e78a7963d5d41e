#!/usr/bin/env python3
"""Prints the table of docs/parity.md: for each vocabulary, how many random strings give the ids of its own library.

  tests/parity/table.py [STRINGS]      100,000 without a number; ends with status 1 if a row is not whole
"""
import datetime
import pathlib
import platform
import sys
import tempfile

import vocabularies
from vocabularies import batches, differences


def rows(strings, folder):
    for vocabulary in [*vocabularies.real_vocabularies(), *vocabularies.trained_vocabularies(pathlib.Path(folder))]:
        equal = total = 0
        for texts in batches(vocabulary.specials, strings, size=10000):
            wrong = differences(vocabulary.path, texts, vocabulary.encode, *vocabulary.flags)
            total += len(texts)
            equal += len(texts) - len(wrong)
            for text, mine, theirs in wrong[:2]:
                print(f"{vocabulary.name}: {text!r}: {mine} is not {theirs}", file=sys.stderr)
        yield vocabulary, total, equal
        vocabulary.forget()


def main():
    strings = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    whole = True
    print(f"{datetime.date.today()}, {platform.machine()}, Python {platform.python_version()}\n")
    print("| vocabulary | reference | strings | equal |\n|---|---|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for vocabulary, total, equal in rows(strings, folder):
            print(f"| {vocabulary.name} | {vocabulary.library} {vocabulary.version} | {total:,} | {equal:,} |", flush=True)
            whole = whole and total == equal
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
