#include "tessera/eval/asked_model.h"

#include <algorithm>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/decode/generate.h"
#include "tessera/tokenizer/model_tokenizer.h"

namespace tessera {

AskedModel::AskedModel(const ReproRequest& request) {
  Pool::instance().set_threads(request.threads);
  files_ = open_model(request.model);
  tokenizer_ = tokenizer_of(files_);
  model_ = std::make_unique<LanguageModel>(load_network(files_), "full");
  if (!files_.chat_template.empty()) chat_.emplace(files_, *tokenizer_);
}

std::vector<TokenId> AskedModel::prompt(const std::string& message) {
  if (!chat_) return raw_prompt(*tokenizer_, message).ids;
  chat_->truncate(0);
  chat_->say("user", message);
  return chat_->prompt().ids;
}

ChatFrame AskedModel::frame(const std::string& question) {
  if (!chat_) return raw_frame(*tokenizer_, question);
  chat_->truncate(0);
  return chat_->frame(question);
}

std::string AskedModel::answer(const std::vector<TokenId>& prompt, int64_t most_tokens) {
  GenerateOptions options;
  options.max_tokens = most_tokens;
  options.stop_ids = answer_ends(files_, *tokenizer_);
  size_t same = 0;
  while (same < held_.size() && same + 1 < prompt.size() && held_[same] == prompt[same]) ++same;
  if (past_ && past_->length() > static_cast<int64_t>(same)) {
    past_->truncate(static_cast<int64_t>(same));
  }
  Generation g = generate(*model_, tokenizer_, prompt, options, {}, std::move(past_));
  if (g.best.finish == Finish::error) throw Error("answer", g.error);
  past_ = std::move(g.past);
  held_ = prompt;
  return g.best.text;
}

}  // namespace tessera
