// A conversation on its way to the model: the model's own template, and the ids it renders to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/tessera/session.h"
#include "tessera/text/marked_text.h"
#include "tessera/text/template.h"

namespace tessera::cli {

struct Prompt {
  std::string text;  // as the tokenizer saw it
  std::vector<TokenId> ids;
};

// A prompt with a text yet to be chosen in its last message.
struct Frame {
  std::string before, after;  // as the tokenizer sees them
  std::vector<TokenId> before_ids, after_ids;
  int64_t question_begin = 0, question_end = 0;  // of after_ids, what the frame was made for
};

class Conversation {
 public:
  // arguments: --template-arg K=V, parsed as JSON where they are JSON. Throws Error when the model
  // has no template.
  Conversation(const Session& session, const std::vector<std::string>& arguments,
               bool special_in_text);
  void say(const std::string& role, const std::string& text);
  // Drops what was said from message `count` on.
  void truncate(size_t count);
  size_t size() const { return messages_.size(); }
  // The whole conversation and the opening of an answer.
  Prompt prompt() const;
  // The same with a last message of the user's more: a text that is left open, an empty line and
  // `question`. Throws Error when the template changes what people say.
  Frame frame(const std::string& question) const;

 private:
  MarkedText rendered(const std::vector<std::pair<std::string, std::string>>& said) const;
  // Bytes of a rendered conversation, from `begin` on.
  Encoding encoded(const MarkedText& text) const;

  const Session& session_;
  Template template_;
  bool special_in_text_;
  std::vector<std::pair<std::string, Value>> arguments_;
  std::vector<std::pair<std::string, std::string>> messages_;
};

// The frame without a template: the text left open, an empty line, the question.
Frame raw_frame(const Session& session, const std::string& question, bool special_in_text);

// A prompt without a template: the text, and BOS when the tokenizer's file asks for it.
Prompt raw_prompt(const Session& session, const std::string& text, bool special_in_text);

}  // namespace tessera::cli
