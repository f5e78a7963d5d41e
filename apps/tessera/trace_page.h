// A page on which a trace can be looked at.
#pragma once

#include <string>
#include <vector>

#include "tessera/eval/trace_file.h"

namespace tessera::cli {

// An HTML document that needs nothing else: steps down, entries of the past across, for a layer and
// a head, or for how many heads.   pieces: text of each token of the trace
std::string trace_page(const Trace& trace, const std::vector<std::string>& pieces);

}  // namespace tessera::cli
