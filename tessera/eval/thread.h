// Threads: a JSON object of random keys and values in which some values are keys again. Asked for
// is what a chain of them ends in, what several end in, or the values of all keys with a mark.
// Source: Roberts, Han and Albanie 2024, "Needle Threading: Can LLMs Follow Threads through
// Near-Million-Scale Haystacks?", arXiv 2411.05000, section 3. The wording is ours.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/eval/needle.h"

namespace tessera {

enum class ThreadDirection : uint8_t { forward, backward, random };

struct ThreadOptions {
  int64_t steps = 2;  // pairs on the thread; 1: a single needle at the given depth
  ThreadDirection direction = ThreadDirection::forward;
  NeedleUnit unit = NeedleUnit::hex8;
  uint64_t seed = 1;
  // Threads that are asked for together, without a pair in common; with one step they are needles.
  int64_t count = 1;
  // `count` keys have a character replaced by kKeyMark, which no other key has, and the values of
  // all keys with it are asked for. Needs steps == 1.
  bool marked = false;
  // Needles of one step stand side by side.
  bool clustered = false;
  // Keys of a thread, the last one apart, stand in so many pairs each: one value is the next key,
  // the others lead nowhere, and the value at the end of the longest way is asked for. Our reading
  // of branched threads. More than 1 needs steps > 1 and count == 1.
  int64_t branches = 1;
  // Keys and values are the UUIDs that Python's random.Random(seed + index) draws, one after the
  // other, as those of the paper's published data are; places stay ours. Needs unit == uuid.
  bool as_python = false;

  bool list() const { return count > 1 || marked; }
  // Pairs that lie on the threads or lead away from them.
  int64_t pairs() const { return count * (1 + (steps - 1) * branches); }
};
inline constexpr char kKeyMark = '*';

// Item number `index`, with as many pairs as fit `room` by `length`, as make_needle(). `depth` (0
// .. 1) is where a single needle stands; all others lie at random places. Throws Error when not
// even as many pairs fit as the threads have.
NeedleItem make_thread(const ThreadOptions& options, double depth, uint64_t index, int64_t room,
                       const std::function<int64_t(const std::string&)>& length);

// The answers that the prompt's own text gives, by following it, the longest way where a key stands
// in several pairs; none when it gives none.
std::vector<std::string> solve_threads(std::string_view prompt);
// The same with commas, as NeedleItem::answer.
std::string solve_thread(std::string_view prompt);

// How much of a list of values an output gives. Its values are the strings of the first JSON list
// in it, else whatever in it has the shape of the wanted ones, in order.
struct ListScore {
  double share = 0;      // of the wanted values that are there; in_order: at their place
  double precision = 0;  // share of the given values that are wanted
  bool parsed = false;   // whether there are any values in the output
};
ListScore score_list(std::string_view output, const std::vector<std::string>& wanted,
                     bool in_order);

}  // namespace tessera
