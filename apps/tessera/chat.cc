#include "apps/tessera/chat.h"

#include <algorithm>
#include <iterator>

#include "tessera/base/error.h"

namespace tessera::cli {
namespace {

const std::string& required_template(const Session& s) {
  if (s.files.chat_template.empty()) {
    throw Error(s.files.path, "has no chat template", "Use --raw to continue the text as it is.");
  }
  return s.files.chat_template;
}

std::pair<std::string, Value> argument(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error("--template-arg " + text, "is not KEY=VALUE");
  }
  const std::string key = text.substr(0, equals), value = text.substr(equals + 1);
  try {
    return {key, Value::parse_json(value, false, key)};
  } catch (const Error&) {
    return {key, Value::string(value)};  // a plain word need not be quoted
  }
}

}  // namespace

Conversation::Conversation(const Session& session, const std::vector<std::string>& arguments,
                           bool special_in_text)
    : session_(session),
      template_(required_template(session), session.files.path + ": chat template"),
      special_in_text_(special_in_text) {
  std::ranges::transform(arguments, std::back_inserter(arguments_), argument);
}

void Conversation::say(const std::string& role, const std::string& text) {
  messages_.emplace_back(role, text);
}

void Conversation::truncate(size_t count) {
  if (count < messages_.size())
    messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(count), messages_.end());
}

Prompt Conversation::prompt() const {
  std::vector<Value> messages;
  messages.reserve(messages_.size());
  for (const auto& [role, text] : messages_) {
    messages.push_back(Value::map({{Value::string("role"), Value::string(role)},
                                   {Value::string("content"), Value::string(text, true)}}));
  }
  Chat chat;
  chat.messages = Value::list(std::move(messages));
  chat.arguments = arguments_;
  chat.bos_token = session_.files.bos_token;
  chat.eos_token = session_.files.eos_token;
  const MarkedText rendered = render_chat(template_, chat);
  std::vector<ByteSpan> content;
  content.reserve(rendered.content.size());
  for (const TextRange& r : rendered.content) {
    content.push_back({static_cast<int64_t>(r.begin), static_cast<int64_t>(r.end)});
  }
  EncodeOptions options;
  options.add_template = false;  // the chat template writes its own BOS when the model wants one
  options.special_in_text = true;
  options.origin = TokenOrigin::template_text;
  if (!special_in_text_) options.content = content;
  return {rendered.bytes, session_.tokenizer->encode(rendered.bytes, options).ids};
}

Prompt raw_prompt(const Session& session, const std::string& text, bool special_in_text) {
  EncodeOptions options;
  options.add_template = false;
  options.special_in_text = special_in_text;
  Prompt p{text, {}};
  if (const auto bos = session.tokenizer->bos(); bos && session.tokenizer->adds_bos()) {
    p.ids.push_back(*bos);
  }
  const std::vector<TokenId> ids = session.tokenizer->encode(text, options).ids;
  p.ids.insert(p.ids.end(), ids.begin(), ids.end());
  return p;
}

}  // namespace tessera::cli
