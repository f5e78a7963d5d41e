// What a search for heads found, in a file that is bound to the model it was made with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/context/sinks.h"

namespace tessera {

struct ActHead {
  HeadId id;
  // What calibrating this head alone changed on the items of the search.
  double accuracy_gain = 0, logprob_gain = 0;
};

// Of one way to run the model, on one set of items.
struct ActScore {
  std::string items;  // "search", "choose", "test"
  std::string what;   // "plain", "act"
  int64_t n = 0;
  double accuracy = 0, nll = 0;
};

struct ActFile {
  std::string weights;  // weights_hash() of the model
  int64_t layers = 0, heads = 0;
  SinkRule rule;
  double beta = 0.4;
  std::string mode = "prompt";
  std::vector<ActHead> chosen;     // ascending
  std::vector<std::string> items;  // hashes of the texts of the search, hash_text()
  uint64_t seed = 0;
  std::vector<ActScore> scores;
};

// Throws Error naming the file for what cannot be read, is none, or holds numbers that cannot be.
ActFile read_act_file(const std::string& path);
// The same from the file's text; `path` is its name in messages.
ActFile parse_act_file(std::string_view text, const std::string& path);
// Writes the file whole or not at all.
void write_act_file(const std::string& path, const ActFile& file);

}  // namespace tessera
