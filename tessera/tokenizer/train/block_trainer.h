// All strings of a length: the simplest dictionary that makes a source easy for a model of single
// tokens. Source: Rajaraman et al. 2024, arXiv 2404.08335. docs/trainer/block.md.
#pragma once

#include <memory>
#include <string>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct BlockTrainerOptions {
  int64_t length = 3;
  std::string unknown = "[UNK]";
};
template <class V>
void fields(V& v, BlockTrainerOptions& o) {
  v("length", o.length, "characters of a block", between(1, 64));
  v("unknown", o.unknown, "the special token that the file's format asks for; no text gives it");
}

std::unique_ptr<Trainer> block_trainer(const BlockTrainerOptions& options);

}  // namespace tessera
