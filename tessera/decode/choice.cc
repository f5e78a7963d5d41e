#include "tessera/decode/choice.h"

#include <cassert>
#include <utility>
#include <vector>

#include "tessera/base/error.h"

namespace tessera {
namespace {

using Texts = std::vector<std::string>;

class Choice : public Constraint {
 public:
  explicit Choice(std::shared_ptr<const Texts> texts) : texts_(std::move(texts)) {}

  std::unique_ptr<Constraint> clone() const override { return std::make_unique<Choice>(*this); }

  bool possible(const Piece& piece) const override {
    if (!piece.control.empty()) return false;
    for (const std::string& text : *texts_) {
      if (text.size() >= accepted_.size() + piece.bytes.size() && text.starts_with(accepted_) &&
          std::string_view(text).substr(accepted_.size()).starts_with(piece.bytes)) {
        return true;
      }
    }
    return false;
  }

  bool complete() const override {
    for (const std::string& text : *texts_) {
      if (text == accepted_) return true;
    }
    return false;
  }

  std::optional<std::bitset<256>> next_bytes() const override {
    std::bitset<256> next;
    for (const std::string& text : *texts_) {
      if (text.size() > accepted_.size() && text.starts_with(accepted_)) {
        next.set(static_cast<unsigned char>(text[accepted_.size()]));
      }
    }
    return next;
  }

  void accept(const Piece& piece) override {
    assert(possible(piece));
    ends_.push_back(accepted_.size());
    accepted_ += piece.bytes;
  }

  int64_t length() const override { return static_cast<int64_t>(ends_.size()); }

  void rollback(int64_t length) override {
    assert(length >= 0 && length <= this->length());
    if (length == this->length()) return;
    accepted_.resize(ends_[static_cast<size_t>(length)]);
    ends_.resize(static_cast<size_t>(length));
  }

 private:
  std::shared_ptr<const Texts> texts_;
  std::string accepted_;
  std::vector<size_t> ends_;  // length of `accepted_` before each piece
};

}  // namespace

std::unique_ptr<Constraint> choice(const ChoiceOptions& options) {
  auto texts = std::make_shared<Texts>();
  size_t begin = 0;
  while (true) {
    size_t end = options.texts.find('|', begin);
    std::string text = options.texts.substr(begin, end == std::string::npos ? end : end - begin);
    if (text.empty()) {
      throw Error("choice",
                  "texts is \"" + options.texts + "\": text " + std::to_string(texts->size() + 1) +
                      " is empty",
                  "Give one or more texts, separated by |.");
    }
    texts->push_back(std::move(text));
    if (end == std::string::npos) break;
    begin = end + 1;
  }
  return std::make_unique<Choice>(std::move(texts));
}

}  // namespace tessera
