#!/usr/bin/env python3
"""What no file of the project may hold: paths of one machine, hosts of package registries, unfinished business.

Prints file:line for each find. Looks at every file that git knows.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Written in pieces, so that this file passes its own check.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.])/(work|root|opt|home/\w+|Users)/\w",
    "a registry's host": "|".join(["py" + r"pi\.org", "pythonho" + r"sted\.org", r"registry\.npm" + r"js", "np" + r"mjs\.(org|com)",
                                   "deb" + r"ian\.org", "huggingface" + r"\.co\b"]),
    "unfinished business": r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
    "a conflict's mark": r"^(<{7}|>{7}) ",
}
BINARY = {".png", ".gz", ".zst", ".bin"}


def main():
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                           capture_output=True).stdout
    found = []
    for name in filter(None, names.decode().split("\0")):
        path = ROOT / name
        if path.suffix in BINARY or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            found += [f"{name}:{number}: {what}: {line.strip()[:100]}"
                      for what, pattern in FORBIDDEN.items() if re.search(pattern, line)]
    print("\n".join(found) if found else "no file holds what none may hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
