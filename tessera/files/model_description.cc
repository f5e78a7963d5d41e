#include "tessera/files/model_description.h"

#include <cmath>
#include <limits>

#include "tessera/base/error.h"
#include "tessera/files/description_fields.h"

namespace tessera {
namespace {

class Checker {
 public:
  Checker(const ModelDescription& d, const std::string& where) : d_(d), where_(where) {}

  void run() {
    numbers();
    sizes();
    attention();
    layers();
    feed_forward();
    head_and_norms();
  }

 private:
  [[noreturn]] void refuse(const std::string& field, const std::string& what) const {
    throw Error(where_ + ": " + field, what, "The description contradicts itself; get it again.");
  }
  static std::string text(double x) {
    std::string s = std::to_string(x);
    return s;
  }

  void within(std::string_view field, int64_t value, int64_t least, int64_t most) const {
    if (value < least || value > most) {
      refuse(std::string(field), "is " + std::to_string(value) + "; it must be " +
                                     std::to_string(least) + " to " + std::to_string(most));
    }
  }

  void numbers() const {
    visit_fields(d_, [&](std::string_view name, const auto& value) {
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) {
        if (!std::isfinite(value)) refuse(std::string(name), "is " + text(value));
      }
    });
  }

  void sizes() const {
    constexpr int64_t kIds = std::numeric_limits<int32_t>::max();
    within("vocabulary", d_.vocabulary, 1, kIds);
    within("width", d_.width, 1, kMostWidth);
    within("layers", d_.layers, 1, kMostLayers);
    within("context", d_.context, 1, kIds);
    within("embedding_width", d_.embedding_width, 1, kMostWidth);
    within("token_types", d_.token_types, 0, kIds);
    within("ffn_width", d_.ffn_width, 1, kMostWidth * 4);
    if (d_.position == PositionKind::learned) {
      within("position_rows", d_.position_rows, 1, kIds);
      within("position_offset", d_.position_offset, 0, d_.position_rows - 1);
      within("context", d_.context, 1, d_.position_rows - d_.position_offset);
    }
  }

  void attention() const {
    within("heads", d_.heads, 1, kMostWidth);
    within("kv_heads", d_.kv_heads, 1, d_.heads);
    within("head_width", d_.head_width, 1, kMostWidth / d_.heads);
    if (d_.heads % d_.kv_heads != 0) {
      refuse("kv_heads", "is " + std::to_string(d_.kv_heads) +
                             ", which does not divide heads = " + std::to_string(d_.heads));
    }
    if (d_.position == PositionKind::rope) {
      within("rotary_width", d_.rotary_width, 2, d_.head_width);
      if (d_.rotary_width % 2 != 0) {
        refuse("rotary_width", "is " + std::to_string(d_.rotary_width) + ", an odd number");
      }
      scaling();
    }
    if (d_.query_key_norm && d_.query_key_norm_wide) {
      refuse("query_key_norm_wide", "and query_key_norm are both set");
    }
    if (d_.attention_softcap < 0) refuse("attention_softcap", "is negative");
    if (d_.attention_scale < 0) refuse("attention_scale", "is negative");
  }

  void scaling() const {
    const RopeScaling& s = d_.rope_scaling;
    if (s.kind == ScalingKind::none) return;
    if (!(s.factor > 0)) refuse("rope_scaling.factor", "is " + text(s.factor));
    for (double x : {s.low_freq_factor, s.high_freq_factor, s.beta_fast, s.beta_slow,
                     s.attention_factor, s.mscale, s.mscale_all_dim}) {
      if (!std::isfinite(x) || x < 0) refuse("rope_scaling", "holds the number " + text(x));
    }
    if (s.kind != ScalingKind::linear) {
      within("rope_scaling.original_context", s.original_context, 1,
             std::numeric_limits<int32_t>::max());
    }
    if (s.kind == ScalingKind::llama3 && !(s.high_freq_factor > s.low_freq_factor)) {
      refuse("rope_scaling.high_freq_factor", "is not above low_freq_factor");
    }
    if (s.kind != ScalingKind::longrope) return;
    for (const auto* factors : {&s.short_factors, &s.long_factors}) {
      if (factors->size() != static_cast<size_t>(d_.rotary_width / 2)) {
        refuse("rope_scaling", "has " + std::to_string(factors->size()) + " factors for " +
                                   std::to_string(d_.rotary_width / 2) + " frequencies");
      }
      for (double x : *factors) {
        if (!(x > 0) || !std::isfinite(x)) refuse("rope_scaling", "holds the factor " + text(x));
      }
    }
  }

  void layers() const {
    if (d_.layer.size() != static_cast<size_t>(d_.layers)) {
      refuse("layer", "describes " + std::to_string(d_.layer.size()) + " of " +
                          std::to_string(d_.layers) + " layers");
    }
    for (size_t i = 0; i < d_.layer.size(); ++i) {
      const LayerDescription& l = d_.layer[i];
      std::string name = "layer " + std::to_string(i);
      if (!std::isfinite(l.rope_theta) || l.rope_theta <= 0) {
        refuse(name, "has rope_theta " + text(l.rope_theta));
      }
      within(name + ": window", l.window, 0, std::numeric_limits<int32_t>::max());
      if (l.experts && d_.experts == 0) refuse(name, "has experts, the model has none");
    }
  }

  void feed_forward() const {
    within("experts", d_.experts, 0, kMostExperts);
    if (d_.experts > 0) within("experts_used", d_.experts_used, 1, d_.experts);
  }

  void head_and_norms() const {
    if (!(d_.norm_epsilon >= 0)) refuse("norm_epsilon", "is " + text(d_.norm_epsilon));
    if (d_.logit_softcap < 0) refuse("logit_softcap", "is negative");
    if (d_.norm_residual && (d_.norm_before || d_.norm_after)) {
      refuse("norm_residual", "is set beside norm_before or norm_after");
    }
    if (d_.parallel_one_norm && !d_.parallel)
      refuse("parallel_one_norm", "is set without parallel");
    if (d_.parallel && d_.norm_residual) refuse("parallel", "is set beside norm_residual");
    if (d_.decoder && d_.pooling != Pooling::none && d_.pooling != Pooling::last &&
        d_.pooling != Pooling::mean) {
      refuse("pooling", "is " + std::string(spelling(d_.pooling)) + " in a decoder");
    }
  }

  const ModelDescription& d_;
  const std::string& where_;
};

}  // namespace

void check(const ModelDescription& d, const std::string& where) { Checker(d, where).run(); }

}  // namespace tessera
