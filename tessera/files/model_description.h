// Every architectural choice of a network, one field each: the table from which a network is built.
// It is read from a config.json or from GGUF metadata and never names a family where the path runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/kernels/activation.h"

namespace tessera {

enum class NormKind { rms, layer };
enum class PositionKind { none, rope, alibi, learned };
enum class ScalingKind { none, linear, dynamic, yarn, llama3, longrope };
enum class Pooling { none, cls, mean, max, last };

// How rotary frequencies are stretched beyond the trained window.
struct RopeScaling {
  ScalingKind kind = ScalingKind::none;
  double factor = 1;
  int64_t original_context = 0;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;              // yarn
  double attention_factor = 0;                       // yarn, longrope: 0 means by formula
  double mscale = 0, mscale_all_dim = 0;             // yarn: 0 means unused
  std::vector<double> short_factors, long_factors;   // longrope, [rotary_width / 2]
  bool long_texts = false;  // longrope: the long factors, for texts beyond original_context
};

// What one layer does differently from its neighbours.
struct LayerDescription {
  bool rotary = true;         // false: this layer sees no positions (SmolLM3's NoPE layers)
  double rope_theta = 10000;  // Gemma 3 has another base in local layers
  bool rope_scaled = true;    // Gemma 3 scales the global layers only
  int64_t window = 0;         // keys a query sees, itself included; 0: all of them
  bool experts = false;       // a mixture of experts instead of one feed-forward block
};

struct ModelDescription {
  std::string family;      // "llama", "bert", ...: for people and error messages only
  bool decoder = true;     // causal with a past; false: bidirectional encoder
  int64_t vocabulary = 0;  // rows of the embedding table
  int64_t width = 0;       // d
  int64_t layers = 0;
  int64_t context = 0;                  // trained window in tokens
  std::vector<LayerDescription> layer;  // [layers]

  // Embedding.
  int64_t embedding_width = 0;  // of the table; differs from `width` when projected (ELECTRA)
  double embedding_scale = 1;   // Gemma: sqrt(d)
  bool embedding_norm = false;  // BLOOM, BERT
  // With embedding_width != width: false projects the normed sum of all embeddings (ELECTRA), true
  // the token's row alone, before positions of `width` are added (OPT).
  bool projection_first = false;
  int64_t token_types = 0;  // BERT segments; row 0 is added everywhere
  PositionKind position = PositionKind::rope;
  int64_t position_rows = 0;    // learned: rows of the table
  int64_t position_offset = 0;  // learned: row of position 0 (OPT, RoBERTa: 2)

  // Attention.
  int64_t heads = 0, kv_heads = 0, head_width = 0;
  int64_t rotary_width = 0;       // leading dimensions of a head that are rotated
  bool rope_interleaved = false;  // pairs (2i, 2i+1) instead of (i, i + rotary_width / 2)
  RopeScaling rope_scaling;
  double attention_scale = 0;        // factor on q.k; 0 means 1 / sqrt(head_width)
  double alibi_scale = 1;            // factor on ALiBi's slopes (Falcon: 1 / sqrt(head_width))
  double attention_softcap = 0;      // cap * tanh(score / cap); 0: none
  bool query_key_norm = false;       // an RMS norm with weight on each head of q and k (Qwen3)
  bool query_key_norm_wide = false;  // the same over all heads at once (OLMo2)

  // Norms and layout. A sub-layer is  x + after(f(before(x))), then residual_norm when set.
  NormKind norm = NormKind::rms;
  double norm_epsilon = 1e-5;
  double norm_weight_offset = 0;   // 1 when the file stores w and the norm multiplies by 1 + w
  bool norm_before = true;         // pre-norm
  bool norm_after = false;         // on the sub-layer's output, before it is added (OLMo2, Gemma 2)
  bool norm_residual = false;      // post-norm on the sum (BERT)
  bool parallel = false;           // attention and feed-forward read the same residual, one sum
  bool parallel_one_norm = false;  // both read the attention norm's output (Falcon 7B, GPT-J)
  bool final_norm = true;
  double residual_scale = 1;  // factor on a sub-layer's output (Granite)

  // Feed-forward.
  int64_t ffn_width = 0;
  Activation activation = Activation::silu;
  bool gated = true;  // act(gate(x)) * up(x), else act(up(x))
  int64_t experts = 0, experts_used = 0;
  bool experts_renormalised = true;  // gates of the chosen experts sum to one

  // Head.
  bool tied = false;  // logits from the embedding table
  double logit_scale = 1, logit_softcap = 0;

  // Encoders.
  Pooling pooling = Pooling::none;
  bool pooled_normalised = false;  // L2
};

// Bounds that every description obeys, so that no size of a file can exhaust memory by itself.
inline constexpr int64_t kMostLayers = 4096;
inline constexpr int64_t kMostWidth = int64_t{1} << 24;
inline constexpr int64_t kMostExperts = 4096;

// Throws Error naming the fields that contradict each other: heads not a multiple of kv_heads, an
// odd or too wide rotary width, sizes that are zero, negative or overflow when multiplied, fewer
// experts than are used, `layer` of another length. `where` is the file the description came from.
void check(const ModelDescription& d, const std::string& where);

}  // namespace tessera
