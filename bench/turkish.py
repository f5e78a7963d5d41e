#!/usr/bin/env python3
"""What `tessera repro linguistic-integrity` wants of Turkish beside a text: roots, and words with their right cuts.

    bench/turkish.py        prints --with roots=FILE --with gold=FILE

Roots are those of Zemberek (Debian's libzemberek-tr-java). Cuts come from the analyzer of the package
nlptoolkit-morphologicalanalysis: of the 8,000 most frequent words of LibreOffice's manual those that all
analyses cut alike, at one place at least. Kept in $TESSERA_CACHE/texts; what is there is not made again. Needs npm and node for the cuts.
"""
import collections
import io
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zipfile

from texts import CACHE, text

PACKAGE = "nlptoolkit-morphologicalanalysis@1.0.20"
WORDS = 8000
PROGRAM = """
const { FsmMorphologicalAnalyzer } = require("nlptoolkit-morphologicalanalysis");
const analyzer = new FsmMorphologicalAnalyzer();
for (const word of require("fs").readFileSync("words", "utf8").split("\\n").filter((w) => w)) {
  const found = analyzer.morphologicalAnalysis(word), out = new Set();
  for (let i = 0; i < found.size(); i++) out.add(found.getFsmParse(i).getWithList());
  console.log(word + "\\t" + [...out].join("\\t"));
}
"""
# What the analyzer's signs for sounds stand for on paper.
SOUNDS = {"A": "[ae]", "H": "[ıiuü]?", "D": "[dt]", "C": "[cç]", "'": "'?"}
SOFT = {"k": "[kğ]", "p": "[pb]", "t": "[td]", "ç": "[çc]", "g": "[gğ]"}


def roots(target):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "-q", "download", "libzemberek-tr-java"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["dpkg", "-x", str(next(pathlib.Path(folder).glob("*.deb"))), folder], check=True)
        archive = next(p for p in pathlib.Path(folder).rglob("zemberek-tr*.jar") if not p.is_symlink())
        data = io.BytesIO(zipfile.ZipFile(archive).read("kaynaklar/tr/bilgi/kokler_tr.bin"))
    found = set()

    def string():
        return data.read(struct.unpack(">H", data.read(2))[0]).decode("utf-8")

    while data.tell() < len(data.getbuffer()):
        found.add(string())
        string()  # the form that it comes from
        data.read(3)  # part of speech and two more
        data.read(data.read(1)[0] + 4)
    target.write_text("\n".join(sorted(found)) + "\n", encoding="utf-8")


def cuts_of(word, analysis):
    """The word's pieces as the analysis "ev+lAr+DAn" has them, or none."""
    root, *suffixes = analysis.split("+")
    last = SOFT.get(root[-1:], re.escape(root[-1:]))
    pattern = f"({re.escape(root[:-1])}{last})"
    for suffix in suffixes:
        body = "".join(SOUNDS.get(c, SOFT.get(c, re.escape(c)) if i == len(suffix) - 1 else re.escape(c))
                       for i, c in enumerate(suffix))
        if suffix[0] in "ysnş" and len(suffix) > 1:  # a buffer between vowels
            body = body[0] + "?" + body[1:]
        pattern += f"({body})"
    match = re.fullmatch(pattern, word)
    return " ".join(filter(None, match.groups())) if match else None


def gold(target):
    counts = collections.Counter(re.findall(r"[a-zçğıöşü]{4,}", text("tr").read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "words").write_text("\n".join(word for word, _ in counts.most_common(WORDS)), encoding="utf-8")
        (path / "analyze.cjs").write_text(PROGRAM, encoding="utf-8")
        subprocess.run(["npm", "install", "--silent", "--ignore-scripts", "--prefix", folder, PACKAGE], check=True,
                       stdout=subprocess.DEVNULL)
        # The analyzer reads its dictionaries from where it is started.
        home = path / "node_modules" / PACKAGE.split("@")[0]
        (home / "words").write_bytes((path / "words").read_bytes())
        (home / "analyze.cjs").write_text(PROGRAM, encoding="utf-8")
        out = subprocess.run(["node", "analyze.cjs"], cwd=home, check=True, stdout=subprocess.PIPE).stdout.decode()
    lines = []
    for line in out.splitlines():
        word, *analyses = line.split("\t")
        cuts = {cuts_of(word, analysis) for analysis in analyses if analysis}
        if len(cuts) == 1 and None not in cuts and " " in min(cuts):
            lines += cuts
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    peers = CACHE.parent / "peers" / "bin"
    os.environ["PATH"] += os.pathsep + str(peers)
    for name, make in {"roots": roots, "gold": gold}.items():
        target = CACHE / f"tr-{name}.txt"
        if not target.exists():
            print(f"making {target}", file=sys.stderr)
            unfinished = target.with_suffix(".part")
            make(unfinished)
            unfinished.rename(target)
        print(f"--with {name}={target}")
