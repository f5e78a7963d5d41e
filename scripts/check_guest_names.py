#!/usr/bin/env python3
"""The path never asks which guest it serves: finds guests' names in tessera/ and apps/ where they do not belong.

A guest belongs into its own files (the header of its line in guests.list and the source beside it), into guests.list
and eval/repro. Elsewhere the name as a string ("streaming", "streaming:local=..") and an include of its header are
refused. A seam's first guest is its default and may be named as that, but not compared with.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = {
    "apps/tessera/answer.cc": {"sample"},  # --temp, --top-p, .. are short for --decode sample:..
    "tessera/tokenizer/train/recipes.cc": {"forced"},  # a recipe is a name for this trainer's options
    "apps/tessera/verb_calibrate.cc": {"act"},  # makes the files of this one guest
    "tessera/eval/calibration.cc": {"act"},
    "tessera/tokenizer/gguf_pre_tokenizers.cc": {"superbpe"},  # a name of llama.cpp for a way to cut
}
COMMON_WORDS = {"none", "block", "random", "truncate"}
SYSTEMS = "tessera/base/systems.cc"  # the table of systems, some of which lend a guest their name


def guests():
    seams = set()
    for path in sorted(ROOT.glob("tessera/*/guests.list")):
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = [field.strip() for field in line.split("|")]
            if fields[0] == "guest":
                yield fields[1], fields[2], fields[7], fields[1] not in seams
                seams.add(fields[1])


def main():
    rows = list(guests())
    patterns = []
    for seam, name, header, is_default in rows:
        stem = header.removesuffix(".h")
        include = rf'#include "{re.escape(header)}"'
        text = rf'"{re.escape(name)}(:[^"]*)?"'
        if name in COMMON_WORDS:
            pattern = include
        elif is_default:
            pattern = rf"{include}|[!=]= *{text}|{text} *[!=]="
        else:
            pattern = rf"{include}|{text}"
        patterns.append((seam, name, {f"{stem}.h", f"{stem}.cc"}, re.compile(pattern)))
    found = []
    for path in sorted([*ROOT.glob("tessera/**/*"), *ROOT.glob("apps/**/*")]):
        file = path.relative_to(ROOT).as_posix()
        if path.suffix not in (".h", ".cc") or file.startswith("tessera/eval/repro") or file == SYSTEMS:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = line.split("// ")[0]
            for seam, name, own, text in patterns:
                if file not in own and name not in ALLOWED.get(file, ()) and text.search(line):
                    found.append(f"{file}:{number}: names {seam} {name}: {line.strip()}")
    print("\n".join(found) if found else f"no guest's name on the path ({len(rows)} guests)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
