#include "tessera/network/language_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/network/policy.h"

namespace tessera {
namespace {

void pool_rows(Pooling kind, const float* rows, int64_t n, std::vector<float>& out) {
  const auto width = static_cast<int64_t>(out.size());
  switch (kind) {
    case Pooling::cls:
      std::copy_n(rows, width, out.begin());
      return;
    case Pooling::last:
      std::copy_n(rows + (n - 1) * width, width, out.begin());
      return;
    case Pooling::max:
      std::copy_n(rows, width, out.begin());
      for (int64_t r = 1; r < n; ++r) {
        for (int64_t i = 0; i < width; ++i) out[i] = std::max(out[i], rows[r * width + i]);
      }
      return;
    case Pooling::none:
    case Pooling::mean:
      for (int64_t i = 0; i < width; ++i) {
        double sum = 0;
        for (int64_t r = 0; r < n; ++r) sum += rows[r * width + i];
        out[i] = static_cast<float>(sum / static_cast<double>(n));
      }
      return;
  }
}

}  // namespace

LanguageModel::LanguageModel(std::unique_ptr<Network> network, std::string policy)
    : network_(std::move(network)), policy_(std::move(policy)) {
  context_ = make_guest<ContextPolicy>(policy_)->serves_any_length()
                 ? std::numeric_limits<int64_t>::max()
                 : network_->description().context;
  if (!network_->description().decoder) {
    throw Error(network_->description().family, "is an encoder, which writes no text",
                "Use `tessera embed` with it, or a decoder here.");
  }
}

int64_t LanguageModel::vocabulary_size() const { return network_->description().vocabulary; }
std::unique_ptr<Past> LanguageModel::new_past() { return network_->new_past(policy_); }

void LanguageModel::forward(std::span<const Item> batch) {
  const int64_t width = network_->description().embedding_width;
  size_t rows = 0;
  for (const Item& item : batch) rows += item.ids.size();
  vectors_.resize(rows * static_cast<size_t>(width));
  segments_.clear();
  size_t at = 0;
  for (const Item& item : batch) {
    const std::span<float> to{vectors_.data() + at * static_cast<size_t>(width),
                              item.ids.size() * static_cast<size_t>(width)};
    network_->embed(item.ids, to);
    at += item.ids.size();
    Segment s;
    s.past = item.past;
    s.vectors = to;
    s.count = static_cast<int64_t>(item.ids.size());
    s.parents = item.parents;
    s.wanted = item.logits.empty() ? 0 : item.wanted;
    s.logits = item.logits;
    segments_.push_back(s);
  }
  network_->forward(segments_);
}

std::vector<std::vector<float>> embed_texts(Network& network,
                                            std::span<const std::vector<int32_t>> ids) {
  const ModelDescription& d = network.description();
  const auto in_width = static_cast<size_t>(d.embedding_width);
  const auto width = static_cast<size_t>(d.width);
  size_t rows = 0;
  for (const auto& text : ids) {
    if (text.empty()) throw Error("text", "has no tokens", "Give a text that is not empty.");
    rows += text.size();
  }
  std::vector<float> vectors(rows * in_width), hidden(rows * width);
  std::vector<std::unique_ptr<Past>> pasts;
  std::vector<Segment> segments;
  size_t at = 0;
  for (const auto& text : ids) {
    Segment s;
    if (d.decoder) s.past = pasts.emplace_back(network.new_past()).get();
    const std::span<float> to{vectors.data() + at * in_width, text.size() * in_width};
    network.embed(text, to);
    s.vectors = to;
    s.count = s.wanted = static_cast<int64_t>(text.size());
    s.hidden = {hidden.data() + at * width, text.size() * width};
    segments.push_back(s);
    at += text.size();
  }
  if (!segments.empty()) network.forward(segments);
  std::vector<std::vector<float>> out;
  for (const Segment& s : segments) {
    std::vector<float>& v = out.emplace_back(width);
    pool_rows(d.decoder && d.pooling == Pooling::none ? Pooling::last : d.pooling, s.hidden.data(),
              s.count, v);
    if (d.pooled_normalised) {
      double square = 0;
      for (float x : v) square += static_cast<double>(x) * x;
      const double length = std::sqrt(std::max(square, 1e-24));
      for (float& x : v) x = static_cast<float>(x / length);
    }
  }
  return out;
}

}  // namespace tessera
