// What measurements of claims share: figures with their intervals, verdicts that follow from them,
// and a model that is asked.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/progress.h"
#include "tessera/eval/needle.h"
#include "tessera/eval/repro.h"
#include "tessera/network/language_model.h"
#include "tessera/text/marked_text.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// `right` of `n`, as a share in % with Wilson's interval.
ReproFigure share_figure(std::string name, std::string what, int64_t right, int64_t n);
// The mean of `values` times `factor`, with the bootstrap's interval.
ReproFigure mean_figure(std::string name, std::string what, std::span<const double> values,
                        double factor = 1);
// "99.6 % (98.5 to 99.9, n = 512)"; without an interval "0.059 (n = 16)".
std::string figure_text(const ReproFigure& figure, std::string_view unit = " %");

// Whether the figure reaches the bound: open where its interval holds the bound.
ReproVerdict reaches(const ReproFigure& figure, double bound);
ReproVerdict stays_below(const ReproFigure& figure, double bound);
// Whether `a` is greater: open where their intervals overlap.
ReproVerdict is_above(const ReproFigure& a, const ReproFigure& b);

// Work of known length that shows how far it is, and stops when nobody waits for it.
class ReproProgress {
 public:
  ReproProgress(const ReproRequest& request, std::string label, std::string unit, int64_t total);
  // Throws ReproStopped.
  void advance(int64_t count = 1);

 private:
  std::function<bool()> stopped_;
  Progress bar_;
};

// The request's model, ready to be asked, in its own chat template where it has one.
class AskedModel {
 public:
  // Throws Error for an encoder and for a model without vocabulary.
  explicit AskedModel(const ReproRequest& request);

  LanguageModel& model() { return *model_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const std::string& path() const { return path_; }
  // A user's message and the opening of the answer; a control token in it stays text.
  std::vector<TokenId> prompt(const std::string& message) const;
  int64_t length(const std::string& message) const {
    return static_cast<int64_t>(prompt(message).size());
  }
  // The prompt of a message that is a text left open, an empty line and `question`. Throws Error
  // for a template that changes what is said.
  struct Frame {
    std::vector<TokenId> before, after;
    int64_t question_begin = 0, question_end = 0;  // tokens of `after`
  };
  Frame frame(const std::string& question) const;
  struct Answer {
    std::string text;
    PastCounters context;
  };
  // Greedy. Throws Error where the prompt leaves no room.
  Answer answer(std::vector<TokenId> prompt, const std::string& policy, int64_t most_tokens);

 private:
  MarkedText rendered(const std::string& message) const;
  Encoding encoded(const MarkedText& text) const;

  std::string path_, chat_template_, bos_, eos_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<LanguageModel> model_;
  std::vector<TokenId> stops_;
};

// The first 64 MB of the sources, a line feed behind each text. Throws Error below `least_bytes`.
std::string repro_text(const ReproRequest& request, int64_t least_bytes);
// `count` pieces of `length` tokens, evenly spread over that text. Throws Error for texts that have
// fewer, with the number.
std::vector<std::vector<TokenId>> repro_pieces(const ReproRequest& request,
                                               const Tokenizer& tokenizer, int64_t count,
                                               int64_t length);

}  // namespace tessera
