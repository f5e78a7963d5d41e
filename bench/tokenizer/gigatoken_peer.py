"""Encodes a file with gigatoken, in pieces of 1 MB as its authors do: usage gigatoken_peer.py TOKENIZER.json FILE."""
import json
import os
import sys
import time

import gigatoken

threads = int(os.environ.get("RAYON_NUM_THREADS", "1"))
vocabulary, path = sys.argv[1:3]
text = open(path, encoding="utf-8", errors="replace").read()
description = open(vocabulary, "rb").read()
size = len(text.encode())
pieces = [text[i : i + 1_000_000].encode() for i in range(0, len(text), 1_000_000)]
started = time.perf_counter()
tokenizer = gigatoken.Tokenizer.from_json(description)
loaded = time.perf_counter() - started


def encode():
    begin = time.perf_counter()
    if threads == 1:
        tokens = sum(len(tokenizer.encode(piece)) for piece in pieces)
    else:
        tokens = sum(len(ids) for ids in tokenizer.encode_batch(pieces))
    return time.perf_counter() - begin, tokens


first, tokens = encode()
again = min(encode()[0] for _ in range(3))
print(json.dumps({"mb_per_s_first": size / 1e6 / first, "mb_per_s": size / 1e6 / again, "tokens": tokens,
                  "load_seconds": loaded}))
