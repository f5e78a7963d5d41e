// A past in a file, so that a long beginning is read by the model once and not at every start.
//
// Layout, numbers little-endian: the line "tessera past 1\n"; four strings (model, tokenizer,
// policy, engine), each a u32 of its length and its bytes; a u64 count of ids and the ids as i32; a
// u64 count of bytes and what Network::write_past() wrote; the XXH64 of everything before it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tessera/files/model.h"
#include "tessera/network/network.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// What must be the same for a past to be of use.
struct PastOrigin {
  std::string model;      // hash of every stored weight
  std::string tokenizer;  // hash of every token's bytes and role
  std::string policy;     // spec of the context seam
  std::string engine;     // processor level, cache type, rounding of activations, served window
};
// Reads all weights once.
PastOrigin past_origin(const ModelFiles& model, const Tokenizer& tokenizer,
                       const std::string& policy, const Network& network);

struct KeptPast {
  std::vector<int32_t> ids;  // what the past has seen, one id a position
  std::unique_ptr<Past> past;
};

// Writes the file whole or not at all. Needs ids.size() == past.length().
void save_past(const std::string& path, const PastOrigin& origin, const Network& network,
               const std::vector<int32_t>& ids, const Past& past);
// Throws Error that says which of the four differs, or that the file is damaged.
KeptPast load_past(const std::string& path, const PastOrigin& origin, Network& network);

}  // namespace tessera
