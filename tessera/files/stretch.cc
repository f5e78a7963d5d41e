#include "tessera/files/stretch.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/base/spec.h"

namespace tessera {
namespace {

struct StretchOptions {
  double factor = 2;
};
template <class V>
void fields(V& v, StretchOptions& o) {
  v("factor", o.factor, "how many times as long texts may be", between(1, 64));
}

// By how much the slowest pair turns slower, for the longest text.
double dynamic_factor(const Stretch& stretch, int64_t trained) {
  const auto window = static_cast<double>(trained);
  const double text =
      stretch.text > 0 ? static_cast<double>(stretch.text) : window * stretch.factor;
  return text <= window ? 1 : stretch.factor * text / window - (stretch.factor - 1);
}

}  // namespace

Stretch parse_stretch(std::string_view text) {
  const std::vector<std::string> kinds = {"linear", "ntk", "yarn", "dynamic"};
  const Spec spec = Spec::parse(text);
  if (std::find(kinds.begin(), kinds.end(), spec.name) == kinds.end()) {
    throw Error(spec.text(), "no such scaling; there are linear, ntk, yarn, dynamic",
                did_you_mean(spec.name, kinds));
  }
  return {spec.name, read_options<StretchOptions>(spec).factor, 0};
}

void stretch_positions(ModelDescription& d, const Stretch& stretch) {
  const std::string where = "--rope-scaling " + stretch.kind;
  if (d.position != PositionKind::rope) {
    throw Error(where, "this model's positions are no rotations", "Leave the flag out.");
  }
  if (d.rope_scaling.kind != ScalingKind::none) {
    throw Error(where, "this model's files bring a scaling of their own", "Leave the flag out.");
  }
  const int64_t trained = d.context;
  d.context = static_cast<int64_t>(static_cast<double>(trained) * stretch.factor);
  if (stretch.kind == "ntk" || stretch.kind == "dynamic") {
    const double by = stretch.kind == "ntk" ? stretch.factor : dynamic_factor(stretch, trained);
    const auto width = static_cast<double>(d.rotary_width);
    for (LayerDescription& l : d.layer) l.rope_theta *= std::pow(by, width / (width - 2));
    return;
  }
  d.rope_scaling.kind = stretch.kind == "linear" ? ScalingKind::linear : ScalingKind::yarn;
  d.rope_scaling.factor = stretch.factor;
  d.rope_scaling.original_context = trained;
}

}  // namespace tessera
