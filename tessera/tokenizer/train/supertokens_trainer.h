// Byte pairs that reach over spaces: texts are cut into chunks of random length, whatever stands
// there, and no rule cuts them at run time. docs/trainer/supertokens.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct SupertokensTrainerOptions {
  std::string chunks =
      "4-5=44 6-7=91 8-9=146 10-11=171 12-13=185 14-15=171 16-17=146 18-19=91 20-21=44 22-23=11";
  double spaces = 0;
  int64_t min_frequency = 2;
  int64_t max_token_length = 30;
  int64_t seed = 0;
};
template <class V>
void fields(V& v, SupertokensTrainerOptions& o) {
  v("chunks", o.chunks, "lengths of chunks in characters, and how often each range is drawn");
  v("spaces", o.spaces,
    "in place of chunks: the chance that a text is cut in front of white space; 0: chunks",
    between(0, 1));
  v("min-frequency", o.min_frequency, "rarer pairs are not joined", at_least(0));
  v("max-token-length", o.max_token_length,
    "new pairs count only below so many bytes in all; 0: any", at_least(0));
  v("seed", o.seed, "of the lengths that are drawn", at_least(0));
}

std::unique_ptr<Trainer> supertokens_trainer(const SupertokensTrainerOptions& options);

// Draws where a text is cut. What is drawn depends on seed and text alone.
class Chunker {
 public:
  // `ranges`: "LEAST-MOST=WEIGHT ..", with weights that need not add up to 1. Throws Error for
  // lengths below 1, a range that ends before it begins, and weights that add up to nothing.
  // `spaces` above 0: texts are cut in front of each run of white space of ASCII with this chance,
  // and nowhere else.
  Chunker(std::string_view ranges, uint64_t seed, double spaces = 0);
  // Appends the ends of the text's chunks, in bytes; never inside a character.
  void cut(std::string_view text, std::vector<size_t>& ends) const;

 private:
  std::vector<int64_t> least_, most_;
  std::vector<double> weights_;
  int64_t shortest_ = 0;
  uint64_t seed_;
  double spaces_;
};

}  // namespace tessera
