"""The programs under test, and the probe that answers with raw floats."""

import json
import os
import pathlib
import struct
import subprocess

import numpy

BINARY = pathlib.Path(os.environ.get("TESSERA_BIN", "build/bin/tessera"))


def probe(name):
    """The path of build/tests/NAME, beside the binary that $TESSERA_BIN names."""
    return BINARY.parent.parent / "tests" / name


class Logits:
    """A running logits_probe."""

    def __init__(self, model, *arguments):
        self._process = subprocess.Popen([probe("logits_probe"), str(model), *arguments],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def __call__(self, ids, cuts=(), want="logits"):
        """Rows of all ids [ids, columns], or a vector for want="pooled"."""
        line = json.dumps({"ids": list(ids), "cuts": list(cuts), "want": want})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        head = self._process.stdout.read(8)
        assert len(head) == 8, "the probe stopped; its message is on standard error"
        values = numpy.frombuffer(self._process.stdout.read(4 * struct.unpack("<q", head)[0]), "<f4")
        return values if want == "pooled" else values.reshape(len(ids), -1)
