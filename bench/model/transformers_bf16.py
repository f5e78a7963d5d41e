"""transformers in bfloat16: prefill and decode speed of a network of SmolLM2's shape, one JSON line.

    python transformers_bf16.py THREADS PROMPT_TOKENS TOKENS

Speed does not depend on the weights' values, so they are random and nothing has to be converted.
"""
import json
import sys
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

threads, prompt_tokens, tokens = map(int, sys.argv[1:4])
torch.set_num_threads(threads)
config = LlamaConfig(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
                     num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192,
                     rope_theta=100000.0, tie_word_embeddings=True)
model = LlamaForCausalLM(config).to(torch.bfloat16).eval()
prompt = torch.tensor([[i * 7919 % 49152 for i in range(prompt_tokens)]])
prefill = decode = 0.0
with torch.inference_mode():
    for _ in range(3):
        start = time.perf_counter()
        out = model(prompt, use_cache=True, logits_to_keep=1)
        prefill = max(prefill, prompt_tokens / (time.perf_counter() - start))
        start = time.perf_counter()
        for _ in range(tokens):
            token = out.logits[:, -1].argmax(-1, keepdim=True)
            out = model(token, past_key_values=out.past_key_values, use_cache=True)
        decode = max(decode, tokens / (time.perf_counter() - start))
print(json.dumps({"prefill_tokens_per_s": prefill, "decode_tokens_per_s": decode}))
