#include "tessera/tokenizer/conversation.h"

#include <algorithm>
#include <iterator>

#include "tessera/base/error.h"

namespace tessera {
namespace {

const std::string& required_template(const ModelFiles& files) {
  if (files.chat_template.empty()) {
    throw Error(files.path, "has no chat template", "Use --raw to continue the text as it is.");
  }
  return files.chat_template;
}

std::pair<std::string, Value> template_argument(const std::string& text) {
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

// Which tokens are bytes begin .. end - 1 of `after`: each that holds one of them.
ChatFrame frame_of(std::string before, Encoding before_tokens, std::string after,
                   Encoding after_tokens, size_t begin, size_t end) {
  ChatFrame out;
  const auto first = std::ranges::find_if(
      after_tokens.spans, [&](const ByteSpan& s) { return s.end > static_cast<int64_t>(begin); });
  const auto last = std::find_if(first, after_tokens.spans.end(), [&](const ByteSpan& s) {
    return s.begin >= static_cast<int64_t>(end);
  });
  out.question_begin = first - after_tokens.spans.begin();
  out.question_end = last - after_tokens.spans.begin();
  out.before = std::move(before);
  out.after = std::move(after);
  out.before_ids = std::move(before_tokens.ids);
  out.after_ids = std::move(after_tokens.ids);
  return out;
}

}  // namespace

Conversation::Conversation(const ModelFiles& files, const Tokenizer& tokenizer,
                           const ConversationOptions& options)
    : files_(files),
      tokenizer_(tokenizer),
      template_(required_template(files), files.path + ": chat template"),
      special_in_text_(options.special_in_text) {
  std::ranges::transform(options.arguments, std::back_inserter(arguments_), template_argument);
}

void Conversation::say(const std::string& role, const std::string& text) {
  messages_.emplace_back(role, text);
}

void Conversation::truncate(size_t count) {
  if (count < messages_.size())
    messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(count), messages_.end());
}

MarkedText Conversation::rendered(
    const std::vector<std::pair<std::string, std::string>>& said) const {
  std::vector<Value> messages;
  messages.reserve(said.size());
  for (const auto& [role, text] : said) {
    messages.push_back(Value::map({{Value::string("role"), Value::string(role)},
                                   {Value::string("content"), Value::string(text, true)}}));
  }
  Chat chat;
  chat.messages = Value::list(std::move(messages));
  chat.arguments = arguments_;
  chat.bos_token = files_.bos_token;
  chat.eos_token = files_.eos_token;
  return render_chat(template_, chat);
}

Encoding Conversation::encoded(const MarkedText& text) const {
  std::vector<ByteSpan> content;
  content.reserve(text.content.size());
  for (const TextRange& r : text.content) {
    content.push_back({static_cast<int64_t>(r.begin), static_cast<int64_t>(r.end)});
  }
  EncodeOptions options;
  options.add_template = false;  // the chat template writes its own BOS when the model wants one
  options.special_in_text = true;
  options.origin = TokenOrigin::template_text;
  if (!special_in_text_) options.content = content;
  return tokenizer_.encode(text.bytes, options);
}

ChatPrompt Conversation::prompt() const {
  const MarkedText text = rendered(messages_);
  Encoding tokens = encoded(text);
  return {text.bytes, std::move(tokens.ids), std::move(tokens.spans)};
}

ChatFrame Conversation::frame(const std::string& question) const {
  // One letter stands for what is left open: a template may drop white space at a message's ends.
  constexpr std::string_view open = "X", between = "\n\n";
  auto said = messages_;
  said.emplace_back("user", std::string(open).append(between).append(question));
  const MarkedText text = rendered(said);
  size_t at = std::string::npos;
  for (const TextRange& r : text.content) {
    const size_t place = text.bytes.rfind(said.back().second, r.end - said.back().second.size());
    if (r.end - r.begin >= said.back().second.size() && place != std::string::npos &&
        place >= r.begin) {
      at = place;
    }
  }
  if (at == std::string::npos) {
    throw Error(files_.path, "its chat template changes what it is given",
                "Use --raw to put the question behind the document as it is.");
  }
  const MarkedText before = text.slice(0, at),
                   after = text.slice(at + open.size(), text.bytes.size());
  return frame_of(before.bytes, encoded(before), after.bytes, encoded(after), between.size(),
                  between.size() + question.size());
}

ChatFrame raw_frame(const Tokenizer& tokenizer, const std::string& question, bool special_in_text) {
  EncodeOptions options;
  options.add_template = false;
  options.special_in_text = special_in_text;
  Encoding before;
  if (const auto bos = tokenizer.bos(); bos && tokenizer.adds_bos()) {
    before.ids.push_back(*bos);
  }
  const std::string after = "\n\n" + question;
  return frame_of("", before, after, tokenizer.encode(after, options), 2, after.size());
}

ChatPrompt raw_prompt(const Tokenizer& tokenizer, const std::string& text, bool special_in_text) {
  EncodeOptions options;
  options.add_template = false;
  options.special_in_text = special_in_text;
  ChatPrompt p{text, {}, {}};
  if (const auto bos = tokenizer.bos(); bos && tokenizer.adds_bos()) {
    p.ids.push_back(*bos);
    p.spans.push_back({});
  }
  const Encoding tokens = tokenizer.encode(text, options);
  p.ids.insert(p.ids.end(), tokens.ids.begin(), tokens.ids.end());
  p.spans.insert(p.spans.end(), tokens.spans.begin(), tokens.spans.end());
  return p;
}

std::vector<TokenId> answer_ends(const ModelFiles& files, const Tokenizer& tokenizer) {
  std::vector<TokenId> out;
  out.reserve(files.generation.stop_ids.size() + 1);
  for (const int64_t id : files.generation.stop_ids) out.push_back(static_cast<TokenId>(id));
  if (const auto eos = tokenizer.eos()) out.push_back(*eos);
  return out;
}

}  // namespace tessera
