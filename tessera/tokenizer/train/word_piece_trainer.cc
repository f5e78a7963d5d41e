#include "tessera/tokenizer/train/word_piece_trainer.h"

#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/tokenizer/train/byte_pair_learning.h"
#include "tessera/tokenizer/train/tokenizer_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

class WordPieceTrainer : public Trainer {
 public:
  explicit WordPieceTrainer(const WordPieceTrainerOptions& options) : options_(options) {}

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    if (options_.unknown.empty() || options_.prefix.empty()) {
      throw Error("unknown and prefix", "must not be empty in this model");
    }
    TrainingRequest request = asked;
    request.specials = specials_with(asked, options_.unknown);
    CuttingParts parts = parts_of(request, "bert", "bert");
    if (TextCutter(parts).reading() == Reading::byte_level) {
      throw Error("--pre-tokenizer", "reads words by bytes, and this model knows characters",
                  "Name bert or whitespace.");
    }
    parts.decoder =
        Json({{"type", "WordPiece"}, {"prefix", options_.prefix}, {"cleanup", false}}).dump();
    const WordCounts counts = count_words(texts, parts, request);
    const LearnedBytePairs learned =
        learn_byte_pairs(counts, Reading::utf8,
                         {.min_frequency = options_.min_frequency,
                          .limit_alphabet = options_.limit_alphabet,
                          .initial_alphabet = options_.initial_alphabet,
                          .continuing_prefix = options_.prefix},
                         request);
    Json vocab = Json::object();
    for (size_t id = 0; id < learned.tokens.size(); ++id) {
      vocab.get_ref<Json::object_t&>().emplace_back(learned.tokens[id], id);
    }
    const Json model = {{"type", "WordPiece"},
                        {"unk_token", options_.unknown},
                        {"continuing_subword_prefix", options_.prefix},
                        {"max_input_chars_per_word", options_.longest_word},
                        {"vocab", std::move(vocab)}};
    return trained(tokenizer_text(parts, numbered(request.specials), model), learned, counts,
                   texts);
  }

 private:
  WordPieceTrainerOptions options_;
};

}  // namespace

std::unique_ptr<Trainer> word_piece_trainer(const WordPieceTrainerOptions& options) {
  return std::make_unique<WordPieceTrainer>(options);
}

}  // namespace tessera
