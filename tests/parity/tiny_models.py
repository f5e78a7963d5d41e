"""Random tiny checkpoints of every family, written by transformers into a folder."""

import pathlib

import torch
import transformers

_COMMON = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
               num_attention_heads=4, max_position_embeddings=64)
_GROUPED = dict(_COMMON, num_key_value_heads=2)
_NARROW = dict(_GROUPED, head_dim=12)
_OPT = dict(vocab_size=96, hidden_size=32, ffn_dim=48, num_hidden_layers=3, num_attention_heads=4,
            max_position_embeddings=64)
_FALCON = dict(vocab_size=96, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
               max_position_embeddings=64)
ENCODERS = ("bert", "roberta", "xlm-roberta", "electra")


def _rope(kind, **keys):
    return dict(rope_type=kind, rope_theta=10000.0, **keys)


# name: (model_type, config keys)
CASES = {
    "llama": ("llama", _GROUPED),
    "llama-linear": ("llama", dict(_GROUPED, rope_parameters=_rope("linear", factor=2.0))),
    "llama-dynamic": ("llama", dict(_GROUPED, rope_parameters=_rope("dynamic", factor=2.0))),
    "llama-yarn": ("llama", dict(_GROUPED, rope_parameters=_rope(
        "yarn", factor=4.0, original_max_position_embeddings=16))),
    "llama-llama3": ("llama", dict(_GROUPED, tie_word_embeddings=True, rope_parameters=_rope(
        "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32))),
    "llama-biases": ("llama", dict(_GROUPED, attention_bias=True, mlp_bias=True)),
    "llama-odd": ("llama", dict(vocab_size=97, hidden_size=45, intermediate_size=50,
                                num_hidden_layers=2, num_attention_heads=9, head_dim=6,
                                num_key_value_heads=3, max_position_embeddings=64)),
    "smollm3": ("smollm3", dict(_GROUPED, num_hidden_layers=4, pad_token_id=0)),
    "mistral": ("mistral", dict(_NARROW, sliding_window=8)),
    "mixtral": ("mixtral", dict(_GROUPED, num_local_experts=4, num_experts_per_tok=2)),
    "qwen2": ("qwen2", _GROUPED),
    "qwen2-window": ("qwen2", dict(_GROUPED, use_sliding_window=True, sliding_window=8,
                                   max_window_layers=1)),
    "qwen3": ("qwen3", _NARROW),
    "gemma": ("gemma", _NARROW),
    "gemma2": ("gemma2", dict(_NARROW, query_pre_attn_scalar=10, sliding_window=8)),
    "gemma3": ("gemma3_text", dict(_NARROW, query_pre_attn_scalar=10, sliding_window=8,
                                   num_hidden_layers=7)),
    "phi3": ("phi3", dict(_GROUPED, pad_token_id=0)),
    "phi3-longrope": ("phi3", dict(
        _GROUPED, pad_token_id=0, original_max_position_embeddings=32, rope_parameters=_rope(
            "longrope", short_factor=[1.0, 1.1, 1.2, 1.3], long_factor=[1.0, 2.0, 3.0, 4.0],
            original_max_position_embeddings=32))),
    "olmo2": ("olmo2", dict(_GROUPED, pad_token_id=0)),
    "gpt2": ("gpt2", dict(vocab_size=96, n_embd=32, n_layer=3, n_head=4, n_positions=64)),
    "gpt-neox": ("gpt_neox", _COMMON),
    "gpt-neox-sequential": ("gpt_neox", dict(_COMMON, use_parallel_residual=False)),
    "opt": ("opt", _OPT),
    "opt-350m": ("opt", dict(_OPT, word_embed_proj_dim=16, do_layer_norm_before=False)),
    "bloom": ("bloom", dict(vocab_size=96, hidden_size=32, n_layer=3, n_head=4)),
    "bloom-six-heads": ("bloom", dict(vocab_size=97, hidden_size=36, n_layer=2, n_head=6)),
    "falcon-7b": ("falcon", _FALCON),
    "falcon-40b": ("falcon", dict(_FALCON, new_decoder_architecture=True, num_kv_heads=2)),
    "falcon-11b": ("falcon", dict(_FALCON, new_decoder_architecture=True, num_kv_heads=2,
                                  num_ln_in_parallel_attn=1)),
    "falcon-alibi": ("falcon", dict(_FALCON, alibi=True, multi_query=False, parallel_attn=False,
                                    bias=True)),
    "bert": ("bert", _COMMON),
    "roberta": ("roberta", _COMMON),
    "xlm-roberta": ("xlm-roberta", _COMMON),
    "electra": ("electra", dict(_COMMON, embedding_size=16)),
}


def write(name, folder, spread=0.1):
    """Writes the checkpoint `name` into `folder` and returns the model.

    `spread` is added to every parameter as noise: what transformers starts from is so even that no
    position would matter.
    """
    kind, keys = CASES[name]
    torch.manual_seed(1)
    # Falcon's eager attention of version 5 adds ALiBi twice, to the scores and in the mask.
    attention = "sdpa" if name == "falcon-alibi" else "eager"
    config = transformers.AutoConfig.for_model(kind, attn_implementation=attention, **keys)
    auto = (transformers.AutoModelForMaskedLM if kind in ENCODERS
            else transformers.AutoModelForCausalLM)
    model = auto.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * spread)
    model.save_pretrained(pathlib.Path(folder))
    return model
