// Where a model's attention sinks are: which tokens of given texts receive far more attention than
// their share, in which heads. Source: Yu et al. 2024, arXiv 2406.15765, section 3.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "tessera/context/sinks.h"
#include "tessera/network/network.h"

namespace tessera {

struct Sink {
  int64_t input = 0;
  HeadId head;
  int64_t position = 0;
  int32_t token = 0;
  double mean = 0;     // attention received, mean over the queries that saw the token
  int64_t tokens = 0;  // of the input
};

struct HeadSinks {
  double first = 0, later = 0;  // shares of the inputs whose token 0, a later one is a sink
  double mean_first = 0;        // attention that token 0 receives, mean over inputs
};

struct SinkReport {
  int64_t layers = 0, heads = 0, inputs = 0;
  std::vector<HeadSinks> of_head;           // [layers, heads]
  std::vector<double> later_per_head;       // [layers]: later sinks, mean over heads and inputs
  std::map<int32_t, int64_t> later_tokens;  // places (input, position) that are a sink anywhere
  int64_t inputs_with_later = 0;            // in any head
  int64_t sinks = 0;                        // found in all
};

// Reads each input once a layer, through full attention. `each` (may be empty) is given every sink;
// `step` (may be empty) is called after a layer of an input, and ends the reading by false.
//   inputs: ids of each
SinkReport sink_report(Network& network, std::span<const std::vector<int32_t>> inputs,
                       const SinkRule& rule, const std::function<void(const Sink&)>& each = {},
                       const std::function<bool()>& step = {});

}  // namespace tessera
