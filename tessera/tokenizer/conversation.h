// A conversation on its way to a model: the model's own template, and the ids it renders to.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tessera/files/model.h"
#include "tessera/text/marked_text.h"
#include "tessera/text/template.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

struct ChatPrompt {
  std::string text;  // as the tokenizer saw it
  std::vector<TokenId> ids;
  std::vector<ByteSpan>
      spans;  // of each token in `text`; empty for one that the text does not hold
};

// A prompt with a text yet to be chosen in its last message.
struct ChatFrame {
  std::string before, after;  // as the tokenizer sees them
  std::vector<TokenId> before_ids, after_ids;
  int64_t question_begin = 0, question_end = 0;  // of after_ids, what the frame was made for
};

struct ConversationOptions {
  // For the template: KEY=VALUE, with values parsed as JSON where they are JSON.
  std::vector<std::string> arguments = {};
  bool special_in_text = false;  // whether control tokens in what people say are such
};

// Both outlive the conversation.
class Conversation {
 public:
  // Throws Error for a model without template, and for an argument that is not KEY=VALUE.
  Conversation(const ModelFiles& files, const Tokenizer& tokenizer,
               const ConversationOptions& options = {});
  void say(const std::string& role, const std::string& text);
  // Drops what was said from message `count` on.
  void truncate(size_t count);
  size_t size() const { return messages_.size(); }
  // The whole conversation and the opening of an answer.
  ChatPrompt prompt() const;
  // The same with a last message of the user's more: a text that is left open, an empty line and
  // `question`. Throws Error when the template changes what people say.
  ChatFrame frame(const std::string& question) const;

 private:
  MarkedText rendered(const std::vector<std::pair<std::string, std::string>>& said) const;
  Encoding encoded(const MarkedText& text) const;

  const ModelFiles& files_;
  const Tokenizer& tokenizer_;
  Template template_;
  bool special_in_text_;
  std::vector<std::pair<std::string, Value>> arguments_;
  std::vector<std::pair<std::string, std::string>> messages_;
};

// The frame without a template: the text left open, an empty line, the question.
ChatFrame raw_frame(const Tokenizer& tokenizer, const std::string& question,
                    bool special_in_text = false);

// A prompt without a template: the text, and BOS when the tokenizer's file asks for it.
ChatPrompt raw_prompt(const Tokenizer& tokenizer, const std::string& text,
                      bool special_in_text = false);

// The tokens that end an answer: those that the model's files name, and the tokenizer's EOS.
std::vector<TokenId> answer_ends(const ModelFiles& files, const Tokenizer& tokenizer);

}  // namespace tessera
