// Seam 1's workshop: from texts to a vocabulary that every other program reads. A trainer is a
// guest; what it is given and what it gives back stands here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/train/text_cutter.h"
#include "tessera/tokenizer/train/training_texts.h"

namespace tessera {

// What all trainers are asked for alike.
struct TrainingRequest {
  int64_t vocab_size = 30000;         // tokens, special ones and alphabet included
  std::vector<std::string> specials;  // control tokens, in the order of their ids
  std::string pre_tokenizer;          // a name of text_cutter.h; "": the trainer's own default
  std::string pattern;                // a regular expression that cuts in its stead; "": none
  std::string normaliser;             // a name of text_cutter.h; "": the trainer's own default
  int64_t threads = 1;
  int64_t memory = 0;                              // bytes that counts may take; 0: no limit
  std::function<void(std::string_view)> progress;  // takes what a terminal should show; null: quiet
};

// What a trainer measured of its own work.
struct TrainingFigure {
  std::string name, meaning;  // for machines; for people
  double value;
};

struct TrainedTokenizer {
  // The whole files, pure functions of texts and options. One is empty where the vocabulary has no
  // such form.
  std::string json;                 // tokenizer.json
  std::string sentence_piece;       // `.model`
  int64_t tokens = 0;               // of its vocabulary
  int64_t bytes = 0;                // that were read
  int64_t words = 0, distinct = 0;  // pre-tokens and different ones; 0 for trainers without words
  std::vector<TrainingFigure> figures;
  std::vector<std::string> notes;  // what the person should know, one line each
};

class Trainer {
 public:
  virtual ~Trainer() = default;
  // Reads all texts and learns. The same texts and request give the same bytes for any number of
  // threads and, unless reads_in_order(), for any order of the texts. Throws Error: nothing to
  // learn from, a vocabulary that cannot hold what it must, an option that the request contradicts.
  virtual TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& request) const = 0;
  virtual bool reads_in_order() const { return false; }
  // Whether what it makes can be a tokenizer.json, and a `.model` of SentencePiece.
  virtual bool makes_json() const { return true; }
  virtual bool makes_sentence_piece() const { return false; }
};

}  // namespace tessera
