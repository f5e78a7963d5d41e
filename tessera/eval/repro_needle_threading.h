// How far a model follows threads through a JSON object. Source: Roberts, Han and Albanie 2024,
// arXiv 2411.05000; docs/repro/needle-threading.md.
#pragma once

#include "tessera/eval/repro.h"

namespace tessera {

// Full attention; items: of a task and length, 20 where it does not say.
ReproResult repro_needle_threading(const ReproRequest& request);

}  // namespace tessera
