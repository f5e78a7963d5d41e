// Writes learned byte pairs as a tokenizer.json with a BPE model.
#pragma once

#include <string>

#include "tessera/tokenizer/train/byte_pair_learning.h"
#include "tessera/tokenizer/train/text_cutter.h"

namespace tessera {

struct BytePairNames {
  std::string unknown = {}, continuing_prefix = {}, end_suffix = {};  // "": there is none
};

std::string byte_pair_text(const LearnedBytePairs& learned, const CuttingParts& parts,
                           const TrainingRequest& request, const BytePairNames& names);

}  // namespace tessera
