// Trainers whose tokens are found by greedy longest match over bytes, as a tokenizer.json that
// every program reads: a WordPiece model without a prefix, in which words may have any length.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/random.h"
#include "tessera/tokenizer/train/text_cutter.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

// Random parts of the texts that were read, to try a result on.
class TextSample {
 public:
  // Takes some of the block's parts. Threads: calls may run together.
  void add(const TextBlock& block);
  const std::vector<std::string>& parts() const { return parts_; }

 private:
  std::mutex mutex_;
  Random random_{0};
  int64_t seen_ = 0;
  std::vector<std::string> parts_;
};

// `asked` with `unknown` among its special tokens. Throws Error where that is empty.
TrainingRequest greedy_request(const TrainingRequest& asked, const std::string& unknown);

// Words that are read by bytes, whole texts unless asked for otherwise. Throws Error for those that
// are read by characters.
CuttingParts byte_cutting(const TrainingRequest& request);

// Throws Error where `least` tokens, which the dictionary must have, are more than asked for.
void check_room(const TrainingRequest& request, int64_t least, const std::string& of_what);

// "the texts ran out of WHAT: 300 tokens instead of 500.", in `notes` when it is so.
void note_shortage(std::vector<std::string>& notes, std::string_view what, int64_t tokens,
                   const TrainingRequest& request);

// Tokens as the bytes that each stands for, none twice, the 256 single bytes among them; their ids
// follow those of the request's special tokens. Before the text is given out the parts of `sample`
// are encoded by it, and their tokens compared with longest matches that are looked for one length
// after another; throws Error where they differ.
std::string greedy_text(const std::vector<std::string>& tokens, const CuttingParts& parts,
                        const TrainingRequest& request, const std::string& unknown,
                        const TextSample& sample);

// The 256 strings of one byte.
std::vector<std::string> single_bytes();

}  // namespace tessera
