"""transformers in fp32: vectors of sentences by all-MiniLM-L6-v2, sorted by length in batches of 32, one JSON line.

    python minilm_transformers.py THREADS FOLDER SENTENCES     the seconds of the best of three passes
"""
import json
import pathlib
import sys
import time

import torch
from transformers import AutoModel, AutoTokenizer

torch.set_num_threads(int(sys.argv[1]))
tokens = AutoTokenizer.from_pretrained(sys.argv[2])
model = AutoModel.from_pretrained(sys.argv[2]).eval()
sentences = pathlib.Path(sys.argv[3]).read_text(encoding="utf-8").splitlines()
seconds = []
with torch.inference_mode():
    for _ in range(3):
        start = time.perf_counter()
        ordered = sorted(sentences, key=len)
        for i in range(0, len(ordered), 32):
            batch = tokens(ordered[i:i + 32], padding=True, truncation=True, max_length=256, return_tensors="pt")
            mask = batch["attention_mask"].unsqueeze(-1)
            hidden = model(**batch).last_hidden_state
            vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).tolist()
        seconds.append(time.perf_counter() - start)
assert len(vectors[0]) == 384
print(json.dumps({"seconds": min(seconds)}))
