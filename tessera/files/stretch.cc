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

}  // namespace

Stretch parse_stretch(std::string_view text) {
  const std::vector<std::string> kinds = {"linear", "ntk", "yarn"};
  const Spec spec = Spec::parse(text);
  if (std::find(kinds.begin(), kinds.end(), spec.name) == kinds.end()) {
    throw Error(spec.text(), "no such scaling; there are linear, ntk, yarn",
                did_you_mean(spec.name, kinds));
  }
  return {spec.name, read_options<StretchOptions>(spec).factor};
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
  if (stretch.kind == "ntk") {
    const auto width = static_cast<double>(d.rotary_width);
    for (LayerDescription& l : d.layer) {
      l.rope_theta *= std::pow(stretch.factor, width / (width - 2));
    }
    return;
  }
  d.rope_scaling.kind = stretch.kind == "linear" ? ScalingKind::linear : ScalingKind::yarn;
  d.rope_scaling.factor = stretch.factor;
  d.rope_scaling.original_context = trained;
}

}  // namespace tessera
