// A model that measurements ask for answers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tessera/eval/repro.h"
#include "tessera/files/model.h"
#include "tessera/network/language_model.h"
#include "tessera/tokenizer/conversation.h"

namespace tessera {

// The request's model, asked in its own chat template where it has one.
class AskedModel {
 public:
  // Throws Error for an encoder and for a model without vocabulary.
  explicit AskedModel(const ReproRequest& request);

  LanguageModel& model() { return *model_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  // A user's message and the opening of the answer; a control token in it stays text.
  std::vector<TokenId> prompt(const std::string& message);
  int64_t length(const std::string& message) {
    return static_cast<int64_t>(prompt(message).size());
  }
  // The prompt of a message that is a text left open, an empty line and `question`. Throws Error
  // for a template that changes what is said.
  ChatFrame frame(const std::string& question);
  // Greedy, under full attention. What a prompt has in common with the one before it is read once.
  // Throws Error where it leaves no room.
  std::string answer(const std::vector<TokenId>& prompt, int64_t most_tokens);

 private:
  ModelFiles files_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<LanguageModel> model_;
  std::optional<Conversation> chat_;
  std::vector<TokenId> held_;  // what past_ has read
  std::unique_ptr<Past> past_;
};

}  // namespace tessera
