"""A GGUF file of the llama architecture as a transformers model in fp32."""

import gguf
import torch
import transformers

_LAYER = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def _half_split(weight, heads):
    """Rows of each head from GGUF's order (pairs side by side) to transformers' (halves)."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def load(path):
    """The model of `path`, every weight dequantised by the gguf package."""
    reader = gguf.GGUFReader(path)

    def key(name, default=None):
        field = reader.fields.get("llama." + name)
        return default if field is None else field.contents()

    heads, kv_heads = key("attention.head_count"), key("attention.head_count_kv")
    state = {}
    for tensor in reader.tensors:
        weight = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type)).clone()
        parts = tensor.name.split(".")
        if parts[0] == "blk":
            if parts[2] in ("attn_q", "attn_k"):
                weight = _half_split(weight, heads if parts[2] == "attn_q" else kv_heads)
            name = f"model.layers.{parts[1]}.{_LAYER[parts[2]]}.{parts[3]}"
        else:
            name = f"{_TOP[parts[0]]}.{parts[1]}"
        state[name] = weight
    tied = "lm_head.weight" not in state
    if tied:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    config = transformers.LlamaConfig(
        vocab_size=state["model.embed_tokens.weight"].shape[0], hidden_size=key("embedding_length"),
        intermediate_size=key("feed_forward_length"), num_hidden_layers=key("block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads,
        max_position_embeddings=key("context_length"), rope_theta=key("rope.freq_base", 10000.0),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"), tie_word_embeddings=tied,
        attn_implementation="eager")
    model = transformers.LlamaForCausalLM(config).eval()
    model.load_state_dict(state)
    return model


def greedy(model, ids, count, end_ids):
    """Up to `count` ids of the greedy continuation, and the gap of the two highest logits at each."""
    answer, gaps = [], []
    with torch.no_grad():
        step, past = torch.tensor([ids]), None
        while len(answer) < count:
            out = model(step, past_key_values=past, use_cache=True)
            best = out.logits[0, -1].topk(2)
            answer.append(int(best.indices[0]))
            gaps.append(float(best.values[0] - best.values[1]))
            if answer[-1] in end_ids:
                break
            step, past = best.indices[None, :1], out.past_key_values
    return answer, gaps
