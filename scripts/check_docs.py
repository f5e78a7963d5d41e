#!/usr/bin/env python3
"""Runs the commands that the docs show and compares what they print: check_docs.py [--bin FOLDER] [FILE.md..]

In a block fenced as ```console a line "$ command" is run by bash in the project's folder, with FOLDER (build/bin) in
front of PATH; the lines below are what it prints on both outputs. "..." stands for any text within a line, a line
"..." for any lines; in a block fenced as ```console figures a number stands for any number. Relative links are
followed, too. Exit status 77: there are no models to run on.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def blocks(path):
    """(line number, whether figures vary, command, expected lines) of each command."""
    fence, command = "", None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            if command:
                yield command
            fence, command = line[3:] if not fence else "", None
        elif fence.startswith("console") and line.startswith("$ "):
            if command:
                yield command
            command = (number, fence == "console figures", line[2:], [])
        elif command:
            command[3].append(line)


def pattern(expected, figures_vary):
    parts = []
    for line in expected:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
            continue
        text = ".*?".join(re.escape(piece) for piece in line.rstrip().split("..."))
        if figures_vary:  # of any width, with any unit
            text = re.sub(r"\d[\d,]*(?:\\\.\d+)?", r"\\d[\\d.,]*", text)
            text = re.sub(r"\b[kMG]?B\b", "[kMG]?B", text)
            text = re.sub(r"(?:\\ )+", r"\\s+", text)
        parts.append(text + r"[ \t]*\n")
    return re.compile("".join(parts))


def dead_links(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not (path.parent / target).exists():
            yield target


def main(arguments):
    folder = ROOT / "build" / "bin"
    if arguments and arguments[0] == "--bin":
        folder = pathlib.Path(arguments[1]).resolve()
        del arguments[:2]
    paths = [pathlib.Path(a).resolve() for a in arguments] or [
        *sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/**/*.md"))]
    environment = dict(os.environ, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}", LC_ALL="C.UTF-8")
    environment.pop("TESSERA_MODEL", None)
    models = subprocess.run(["tessera", "models"], env=environment, capture_output=True, text=True, check=False).stdout
    if "SmolLM2" not in models or "MiniLM" not in models:
        print("the two models of scripts/setup.sh --tests are not there")
        return 77
    commands, faults = 0, 0
    for path in paths:
        name = path.relative_to(ROOT)
        for target in dead_links(path):
            faults += 1
            print(f"{name}: the link {target} leads nowhere")
        for number, figures_vary, command, expected in blocks(path):
            commands += 1
            run = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
                                 stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=300, check=False)
            text = run.stdout if run.stdout.endswith("\n") or not run.stdout else run.stdout + "\n"
            if not pattern(expected, figures_vary).fullmatch(text):
                faults += 1
                print(f"{name}:{number}: $ {command}\nprints (exit status {run.returncode})\n{text}instead of\n"
                      + "\n".join(expected))
    print(f"{commands} commands in {len(paths)} pages, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
