#include <cmath>

#include "tessera/base/error.h"
#include "tessera/files/family.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

double yarn_scale(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

// attention_factor as transformers computes it where the file leaves it out.
double attention_factor(const RopeScaling& s) {
  if (s.kind == ScalingKind::yarn) {
    if (s.mscale > 0 && s.mscale_all_dim > 0) {
      return yarn_scale(s.factor, s.mscale) / yarn_scale(s.factor, s.mscale_all_dim);
    }
    return yarn_scale(s.factor, 1);
  }
  if (s.factor <= 1 || s.original_context <= 1) return 1;
  return std::sqrt(1 + std::log(s.factor) / std::log(static_cast<double>(s.original_context)));
}

ScalingKind kind_named(const Config& rope, const std::string& name, const ModelDescription& d) {
  if (name == "default" || name == "none") return ScalingKind::none;
  if (name == "linear") return ScalingKind::linear;
  if (name == "dynamic") return ScalingKind::dynamic;
  // Early Phi-3 files call longrope "su" or "yarn".
  if (name == "longrope" || name == "su" || (name == "yarn" && d.family == "phi3")) {
    return ScalingKind::longrope;
  }
  if (name == "yarn") return ScalingKind::yarn;
  if (name == "llama3") return ScalingKind::llama3;
  rope.refuse("rope_type", "is \"" + shown(name) +
                               "\"; Tessera serves default, linear, dynamic, yarn, llama3, "
                               "longrope");
}

// `outer_original`: the pre-training window that a config names outside the rope object.
RopeScaling read_scaling(const Config& rope, const ModelDescription& d,
                         std::optional<int64_t> outer_original) {
  RopeScaling s;
  auto type = rope.string("rope_type");
  auto old_type = rope.string("type");
  s.kind = kind_named(rope, type.value_or(old_type.value_or("default")), d);
  auto inner_original = rope.integer("original_max_position_embeddings");
  auto factor = rope.number("factor");
  auto low = rope.number("low_freq_factor"), high = rope.number("high_freq_factor");
  auto fast = rope.number("beta_fast"), slow = rope.number("beta_slow");
  auto attention = rope.number("attention_factor");
  s.mscale = rope.number("mscale").value_or(0);
  s.mscale_all_dim = rope.number("mscale_all_dim").value_or(0);
  s.short_factors = rope.numbers("short_factor");
  s.long_factors = rope.numbers("long_factor");
  rope.expect("truncate", true);
  rope.mark_used("rope_theta");
  rope.mark_used("partial_rotary_factor");
  auto unknown = rope.unused();
  if (!unknown.empty()) rope.refuse(unknown.front(), "is a key that Tessera does not know");

  if (s.kind == ScalingKind::none) return RopeScaling{};
  s.original_context = s.kind == ScalingKind::dynamic || s.kind == ScalingKind::linear
                           ? d.context
                           : outer_original.value_or(inner_original.value_or(d.context));
  if (s.original_context <= 0) {
    rope.refuse("original_max_position_embeddings", "is " + std::to_string(s.original_context));
  }
  if (!factor && (s.kind == ScalingKind::yarn || s.kind == ScalingKind::longrope)) {
    factor = static_cast<double>(d.context) / static_cast<double>(s.original_context);
  }
  if (!factor) rope.refuse("factor", "is missing");
  s.factor = *factor;
  if (low) s.low_freq_factor = *low;
  if (high) s.high_freq_factor = *high;
  if (fast) s.beta_fast = *fast;
  if (slow) s.beta_slow = *slow;
  if (s.kind == ScalingKind::yarn || s.kind == ScalingKind::longrope) {
    s.attention_factor = attention.value_or(attention_factor(s));
  }
  return s;
}

void apply(const Config& rope, ModelDescription& d, double standard_theta, double standard_partial,
           std::optional<int64_t> original) {
  const double theta = rope.number("rope_theta").value_or(standard_theta);
  const double partial = rope.number("partial_rotary_factor").value_or(standard_partial);
  if (!(partial > 0 && partial <= 1)) {
    rope.refuse("partial_rotary_factor", "is " + std::to_string(partial));
  }
  for (LayerDescription& layer : d.layer) layer.rope_theta = theta;
  // A head of 2^53 is no number of a double: what is wrong with it is said where widths are
  // checked.
  const double width = static_cast<double>(d.head_width) * partial;
  d.rotary_width = width < 0x1p53 ? static_cast<int64_t>(width) : d.head_width;
  d.rope_scaling = read_scaling(rope, d, original);
}

}  // namespace

void read_rope(const Config& c, ModelDescription& d, double standard_theta,
               double standard_partial) {
  d.position = PositionKind::rope;
  auto parameters = c.object("rope_parameters");
  auto scaling = c.object("rope_scaling");
  auto outer_theta = c.number("rope_theta");
  auto outer_partial = c.number("partial_rotary_factor");
  auto original = c.integer("original_max_position_embeddings");
  c.expect("rope_interleaved", false);
  const Config rope = parameters ? *parameters : scaling ? *scaling : Config::empty(c.where());

  apply(rope, d, outer_theta.value_or(standard_theta), outer_partial.value_or(standard_partial),
        original);
}

void read_rope_object(const Config& rope, ModelDescription& d, double standard_theta) {
  apply(rope, d, standard_theta, 1, std::nullopt);
}

}  // namespace tessera
