"""tokenizers, one thread: first and best later pass over a file, one JSON line.

    python hf_tokenizers.py TOKENIZER_JSON FILE
"""
import json
import os
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402

tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_truncation()
tokenizer.no_padding()
text = open(sys.argv[2], encoding="utf-8", errors="replace").read()
size = len(text.encode()) / 1e6
passes = []
for _ in range(3):
    start = time.perf_counter()
    tokens = len(tokenizer.encode(text).ids)
    passes.append(size / (time.perf_counter() - start))
print(json.dumps({"mb_per_s_first": passes[0], "mb_per_s": max(passes[1:]), "tokens": tokens}))
