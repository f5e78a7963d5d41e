// Threads: a JSON object of random keys and values in which some values are keys again. Asked for
// is what a chain of them ends in. Source: Roberts, Han and Albanie 2024, "Needle Threading: Can
// LLMs Follow Threads through Near-Million-Scale Haystacks?", arXiv 2411.05000, section 3. The
// wording is ours.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tessera/eval/needle.h"

namespace tessera {

enum class ThreadDirection : uint8_t { forward, backward, random };

struct ThreadOptions {
  int64_t steps = 2;  // pairs on the thread; 1: a single needle at the given depth
  ThreadDirection direction = ThreadDirection::forward;
  NeedleUnit unit = NeedleUnit::hex8;
  uint64_t seed = 1;
};

// Item number `index`, with as many pairs as fit `room` by `length`, as make_needle(). `depth` (0
// .. 1) is where a single needle stands; longer threads lie at random places. Throws Error when not
// even as many pairs fit as the thread has.
NeedleItem make_thread(const ThreadOptions& options, double depth, uint64_t index, int64_t room,
                       const std::function<int64_t(const std::string&)>& length);

// The answer that the prompt's own text gives, by following it; "" when it gives none.
std::string solve_thread(std::string_view prompt);

}  // namespace tessera
