// The curves of a repro as a picture.
#pragma once

#include <string>
#include <vector>

#include "tessera/eval/repro.h"

namespace tessera::cli {

// An SVG document: one panel a chart, below each other, x on a logarithmic scale. Points say their
// numbers when they are pointed at.
std::string curve_picture(const std::vector<ReproCurve>& curves);

}  // namespace tessera::cli
