#include "tessera/use/similar.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/network/engine.h"
#include "tessera/network/language_model.h"
#include "tessera/network/text_group.h"
#include "tessera/tokenizer/model_tokenizer.h"

namespace tessera {
namespace {

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

// What turns texts into vectors.
class Vectors {
 public:
  virtual ~Vectors() = default;
  virtual std::vector<int32_t> ids(std::string_view text, std::span<const int32_t> known) const = 0;
  virtual std::vector<std::vector<float>> of(std::span<const std::vector<int32_t>> texts) = 0;
  // Whether many texts at once cost less than one after another.
  virtual bool together() const { return false; }
};

class MeanRows final : public Vectors {
 public:
  explicit MeanRows(Network& network) : network_(network) {}
  std::vector<int32_t> ids(std::string_view, std::span<const int32_t> known) const override {
    return {known.begin(), known.end()};
  }
  std::vector<std::vector<float>> of(std::span<const std::vector<int32_t>> texts) override {
    const auto width = static_cast<size_t>(network_.description().embedding_width);
    std::vector<std::vector<float>> out;
    for (const auto& ids : texts) {
      rows_.resize(ids.size() * width);
      network_.embed(ids, rows_);
      std::vector<float> sum(width);
      for (size_t i = 0; i < rows_.size(); ++i) sum[i % width] += rows_[i];
      out.push_back(std::move(sum));  // a cosine asks for no mean
    }
    return out;
  }

 private:
  Network& network_;
  std::vector<float> rows_;
};

class Encoder final : public Vectors {
 public:
  explicit Encoder(const std::string& reference) : files_(open_model(reference)) {
    if (files_.description.decoder) {
      throw Error("--read similar:model=" + reference, "is no encoder",
                  "Name one, such as minilm, or leave it out.");
    }
    tokenizer_ = tokenizer_of(files_);
    network_ = load_network(files_);
    const int64_t context = files_.description.context;
    longest_ = files_.longest_text > 0 ? std::min(files_.longest_text, context) : context;
  }
  std::vector<int32_t> ids(std::string_view text, std::span<const int32_t>) const override {
    EncodeOptions options;
    options.longest = longest_;
    return tokenizer_->encode(text, options).ids;
  }
  std::vector<std::vector<float>> of(std::span<const std::vector<int32_t>> texts) override {
    return embed_texts(*network_, texts);
  }
  bool together() const override { return true; }

 private:
  ModelFiles files_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Network> network_;
  int64_t longest_ = 0;
};

class Similar final : public Reader {
 public:
  explicit Similar(const SimilarOptions& o) : o_(o) {}

  ReadResult read(const ReadTask& task) const override {
    if (auto whole = begin_reading(task, o_.limits)) return *std::move(whole);
    std::unique_ptr<Vectors> vectors;
    if (o_.model.empty()) {
      vectors = std::make_unique<MeanRows>(*task.network);
    } else {
      vectors = std::make_unique<Encoder>(o_.model);
    }
    const std::vector<std::vector<int32_t>> asked = {
        vectors->ids(task.question, task.encode(task.question))};
    const std::vector<float> question = vectors->of(asked)[0];

    ReadResult out;
    BestPassages best(o_.limits.budget);
    std::vector<Passage> group;
    TextGroup texts;
    int64_t held = 0;  // tokens of the group, the task's; the encoder has its own
    const auto flush = [&] {
      out.most_held = std::max(out.most_held, best.tokens() + held);
      if (texts.empty()) return;
      if (!o_.model.empty()) {
        ++out.network_passes;
        out.longest_pass = std::max(out.longest_pass, texts.tokens());
      }
      const auto found = vectors->of(texts.texts());
      for (size_t i = 0; i < group.size(); ++i) {
        group[i].score = cosine(question, found[i]);
        best.add(std::move(group[i]));
      }
      group.clear();
      texts.clear();
      held = 0;
    };
    PassageSource source(task, o_.limits.budget, out);
    for (Passage p; source.next(p);) {
      texts.add(vectors->ids(
          task.document.substr(static_cast<size_t>(p.begin), static_cast<size_t>(p.end - p.begin)),
          p.ids));
      held += p.tokens();
      group.push_back(std::move(p));
      if (!vectors->together() || texts.full()) flush();
    }
    flush();
    keep(out, best.take());
    return out;
  }

 private:
  SimilarOptions o_;
};

}  // namespace

std::unique_ptr<Reader> similar_passages(const SimilarOptions& options) {
  return std::make_unique<Similar>(options);
}

}  // namespace tessera
