// Oracles: a template written by hand, and the tokenizer on what it renders to.
#include "tessera/tokenizer/conversation.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

ModelFiles files_with(const std::string& chat_template) {
  ModelFiles files;
  files.path = "model";
  files.chat_template = chat_template;
  files.generation.stop_ids = {3, 5};
  return files;
}

constexpr const char* kTurns =
    "{% for m in messages %}[{{ m.role }}{{ extra }}]{{ m.content }}{% endfor %}[assistant]";

std::shared_ptr<const Tokenizer> bytes_and_words() {
  return fixtures::parse(fixtures::byte_level_json());
}

std::vector<TokenId> ids_of(const Tokenizer& tokenizer, const std::string& text) {
  EncodeOptions options;
  options.add_template = false;
  return tokenizer.encode(text, options).ids;
}

TEST(Conversation, IsTheTemplateAndItsTokens) {
  const ModelFiles files = files_with(kTurns);
  const auto tokenizer = bytes_and_words();
  Conversation talk(files, *tokenizer, {.arguments = {"extra=!"}});
  talk.say("user", "hello");
  talk.say("assistant", "x");
  talk.truncate(1);
  EXPECT_EQ(talk.size(), 1U);
  talk.say("user", "aaaa");
  const ChatPrompt p = talk.prompt();
  EXPECT_EQ(p.text, "[user!]hello[user!]aaaa[assistant]");
  EXPECT_EQ(p.ids, ids_of(*tokenizer, p.text));
  ASSERT_EQ(p.spans.size(), p.ids.size());
  int64_t at = 0;
  for (const ByteSpan& span : p.spans) {
    EXPECT_EQ(span.begin, at);
    at = span.end;
  }
  EXPECT_EQ(at, static_cast<int64_t>(p.text.size()));
}

TEST(Conversation, ControlTokensOfPeopleAreText) {
  const ModelFiles files = files_with("{{ messages[0].content }}<|a|>");
  const auto tokenizer = bytes_and_words();
  for (const bool special : {false, true}) {
    Conversation talk(files, *tokenizer, {.special_in_text = special});
    talk.say("user", "<|a|>");
    const auto ids = talk.prompt().ids;
    const auto control = ids.back();
    EXPECT_EQ(std::count(ids.begin(), ids.end(), control), special ? 2 : 1);
  }
}

TEST(Conversation, AFrameIsThePromptAroundATextLeftOpen) {
  const ModelFiles files = files_with(kTurns);
  const auto tokenizer = bytes_and_words();
  Conversation talk(files, *tokenizer);
  talk.say("system", "aa");
  const ChatFrame frame = talk.frame("hello?");
  EXPECT_EQ(frame.before, "[system]aa[user]");
  EXPECT_EQ(frame.after, "\n\nhello?[assistant]");
  EXPECT_EQ(frame.before_ids, ids_of(*tokenizer, frame.before));
  EXPECT_EQ(frame.after_ids, ids_of(*tokenizer, frame.after));
  std::string question;
  for (int64_t i = frame.question_begin; i < frame.question_end; ++i) {
    question += tokenizer->vocabulary().bytes(frame.after_ids[static_cast<size_t>(i)]);
  }
  EXPECT_EQ(question, "hello?");
  const ChatFrame raw = raw_frame(*tokenizer, "hello?");
  EXPECT_EQ(raw.before, "");
  EXPECT_EQ(raw.after, "\n\nhello?");
  EXPECT_THROW(Conversation(files_with("{{ messages[0].content | upper }}"), *tokenizer).frame("b"),
               Error);
}

TEST(Conversation, RefusesWhatItCannotRender) {
  const auto tokenizer = bytes_and_words();
  EXPECT_THROW(Conversation(files_with(""), *tokenizer), Error);
  const ModelFiles files = files_with(kTurns);
  EXPECT_THROW(Conversation(files, *tokenizer, {.arguments = {"novalue"}}), Error);
}

TEST(Conversation, AnAnswerEndsWhereTheFilesAndTheTokenizerSay) {
  const auto tokenizer = bytes_and_words();
  std::vector<TokenId> ends = {3, 5};
  if (const auto eos = tokenizer->eos()) ends.push_back(*eos);
  EXPECT_EQ(answer_ends(files_with(""), *tokenizer), ends);
  EXPECT_EQ(raw_prompt(*tokenizer, "hello").ids, ids_of(*tokenizer, "hello"));
}

}  // namespace
}  // namespace tessera
