// Longer texts from a rotary model without training: its positions are squeezed into the angles
// that it knows.
#pragma once

#include <string>
#include <string_view>

#include "tessera/files/model_description.h"

namespace tessera {

struct Stretch {
  // linear  every angle divided by the factor (Chen et al. 2023, arXiv 2306.15595, section 2.3)
  // ntk     the base raised so that the slowest pair turns `factor` times slower and the fastest as
  //         before ("NTK-aware" scaling: Peng et al. 2023, arXiv 2309.00071, section 3.1)
  // yarn    slow pairs divided, fast ones kept, those between blended, scores lengthened (the same,
  //         section 3.4)
  // dynamic ntk by as much as the longest text needs, and not at all within the trained window
  //         ("Dynamic NTK": the same, section 3.3). There the base follows each text as it grows;
  //         here it stands with `text`, because keys that were rotated stay as they are.
  std::string kind;
  double factor = 2;
  int64_t text = 0;  // tokens of the longest text that will be given; 0: the stretched window
};

// Reads `kind:factor=N`. Throws Error for another kind, with the nearest one, and for a factor
// outside 1 .. 64.
Stretch parse_stretch(std::string_view spec);

// Changes the description so that the network serves texts `factor` times as long. Throws Error for
// a model without rotary positions, and for one that is stretched by its own files.
void stretch_positions(ModelDescription& d, const Stretch& stretch);

}  // namespace tessera
