#!/usr/bin/env python3
"""Texts to measure on, made from what package registries carry: the .py files of torch and transformers (code), and
LibreOffice's manual in as many languages as asked for, one human translation each.

    bench/texts.py [code] [licences] [mistral-v1] [en-us] [ru] [tr] [zh-cn] ...      prints the files' paths

`licences` are the paragraphs of the copyright files that Debian's packages install, each once: what they are depends on the
machine's packages. `mistral-v1` is no text but the SentencePiece vocabulary of Mistral's first models.

Kept in $TESSERA_CACHE/texts; what is there is not made again.
"""
import html
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

CACHE = pathlib.Path(os.environ.get("TESSERA_CACHE", pathlib.Path.home() / ".cache/tessera")) / "texts"
MISTRAL = "mistral-common==1.13.1"
WHEELS = ["torch==2.13.0", "transformers==5.24.0"]


def code(target):
    """The sources of both wheels, one after another, in the order of their names."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, *WHEELS], check=True)
        with open(target, "wb") as out:
            for wheel in sorted(pathlib.Path(folder).glob("*.whl")):
                with zipfile.ZipFile(wheel) as archive:
                    for name in sorted(n for n in archive.namelist() if n.endswith(".py")):
                        out.write(archive.read(name))


def manual(language, target):
    """The text of the manual's pages, without mark-up, empty lines and scripts."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "-q", "download", f"libreoffice-help-{language}"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        package = next(pathlib.Path(folder).glob("*.deb"))
        subprocess.run(["dpkg", "-x", str(package), folder], check=True)
        with open(target, "w", encoding="utf-8") as out:
            for page in sorted(pathlib.Path(folder).rglob("*.html")):
                text = page.read_text(encoding="utf-8", errors="replace")
                text = re.sub(r"(?s)<(script|style|head).*?</\1>", "", text)
                text = html.unescape(re.sub(r"(?s)<[^>]*>", "\n", text))
                for line in text.splitlines():
                    if line.strip():
                        out.write(line.strip() + "\n")


def licences(target):
    """Paragraphs of /usr/share/doc/*/copyright, a line each, in the order in which they first come."""
    seen = {}
    for path in sorted(pathlib.Path("/usr/share/doc").glob("*/copyright")):
        for paragraph in re.split(r"\n[ .]*\n", path.read_text(encoding="utf-8", errors="replace")):
            seen.setdefault(" ".join(paragraph.split()))
    target.write_text("\n".join(filter(None, seen)) + "\n", encoding="utf-8")


def vocabulary(target):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, MISTRAL], check=True)
        with zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl"))) as archive:
            target.write_bytes(archive.read("mistral_common/data/tokenizer.model.v1"))


def text(name):
    target = CACHE / (f"{name}.model" if name == "mistral-v1" else f"{name}.txt")
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        print(f"making {target}", file=sys.stderr)
        unfinished = target.with_suffix(".part")
        {"code": code, "licences": licences, "mistral-v1": vocabulary}.get(name, lambda target: manual(name, target))(unfinished)
        unfinished.rename(target)
    return target


if __name__ == "__main__":
    for name in sys.argv[1:] or ["code", "en-us", "ru", "tr", "zh-cn"]:
        print(text(name))
