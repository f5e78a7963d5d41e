#include "tessera/tokenizer/train/bpe_trainer.h"

#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/tokenizer/train/byte_pair_learning.h"
#include "tessera/tokenizer/train/byte_pair_text.h"
#include "tessera/tokenizer/train/tokenizer_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

class BpeTrainer : public Trainer {
 public:
  explicit BpeTrainer(const BpeTrainerOptions& options) : options_(options) {}

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    TrainingRequest request = asked;
    request.specials = specials_with(asked, options_.unknown);
    CuttingParts parts = parts_of(request, "gpt2");
    const Reading reading = TextCutter(parts).reading();
    const bool marked = !options_.continuing_prefix.empty() || !options_.end_suffix.empty();
    if (marked && reading == Reading::byte_level) {
      throw Error("continuing-prefix and end-suffix",
                  "mean characters, and words are read by bytes",
                  "Add --pre-tokenizer whitespace, or another one without bytes.");
    }
    if (!options_.end_suffix.empty() && parts.decoder == "null") {
      parts.decoder = Json({{"type", "BPEDecoder"}, {"suffix", options_.end_suffix}}).dump();
    }
    const WordCounts counts = count_words(texts, parts, request);
    const LearnedBytePairs learned =
        learn_byte_pairs(counts, reading,
                         {.min_frequency = options_.min_frequency,
                          .limit_alphabet = options_.limit_alphabet,
                          .initial_alphabet = options_.initial_alphabet,
                          .all_bytes = options_.all_bytes,
                          .continuing_prefix = options_.continuing_prefix,
                          .end_suffix = options_.end_suffix,
                          .max_token_length = options_.max_token_length},
                         request);
    return trained(byte_pair_text(learned, parts, request,
                                  {.unknown = options_.unknown,
                                   .continuing_prefix = options_.continuing_prefix,
                                   .end_suffix = options_.end_suffix}),
                   learned, counts, texts);
  }

 private:
  BpeTrainerOptions options_;
};

}  // namespace

std::unique_ptr<Trainer> bpe_trainer(const BpeTrainerOptions& options) {
  return std::make_unique<BpeTrainer>(options);
}

}  // namespace tessera
