"""sentencepiece: trains a Unigram on a text's first 4 MB, or encodes its lines; one JSON line.

    python sentencepiece_peer.py train FILE MODEL
    python sentencepiece_peer.py encode FILE MODEL       RAYON_NUM_THREADS says how many threads
"""
import json
import os
import sys
import tempfile
import time

import sentencepiece

what, file, model = sys.argv[1:]
if what == "train":
    with tempfile.NamedTemporaryFile(suffix=".txt") as part:
        part.write(open(file, "rb").read(4_000_000).decode(errors="ignore").encode())
        part.flush()
        sentencepiece.SentencePieceTrainer.train(input=part.name, model_prefix=model.removesuffix(".model"),
                                                 vocab_size=16000, model_type="unigram", minloglevel=2)
    sys.exit(0)
lines = open(file, encoding="utf-8", errors="replace").read().split("\n")
size = os.path.getsize(file) / 1e6
threads = int(os.environ.get("RAYON_NUM_THREADS", "1"))
processor = sentencepiece.SentencePieceProcessor(model_file=model)
passes = []
for _ in range(3):
    start = time.perf_counter()
    tokens = sum(map(len, processor.encode(lines, num_threads=threads)))
    passes.append(size / (time.perf_counter() - start))
print(json.dumps({"mb_per_s_first": passes[0], "mb_per_s": max(passes[1:]), "tokens": tokens}))
