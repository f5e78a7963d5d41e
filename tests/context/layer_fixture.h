// One layer of random queries and keys, shown to a policy a pass at a time, as the network would.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "tessera/base/guest.h"
#include "tessera/network/layer_view.h"

namespace tessera::test {

class Layer {
 public:
  static constexpr int64_t kHeads = 4, kKvHeads = 2, kWidth = 16, kGroup = kHeads / kKvHeads;

  Layer(const std::string& policy, uint64_t seed, int64_t layers = 1)
      : rope_(10000, kWidth, {}, 4096),
        store_(std::make_shared<KvPool>(KvShape{layers, kKvHeads, kWidth, CacheType::f32})),
        policy_(make_guest<ContextPolicy>(policy)),
        random_(seed) {
    rope_.ensure(8192);
    shape_.heads = kHeads;
    shape_.kv_heads = kKvHeads;
    shape_.head_width = kWidth;
    shape_.scale = 0.25f;
    shape_.rope = &rope_;
    policy_->attach({layers, kHeads, kKvHeads, kWidth, 4096, true, false});
  }

  ContextPolicy& policy() { return *policy_; }
  const LayerView& view() const { return *view_; }  // of the last pass
  KvStore& store() { return store_; }
  int64_t tokens() const { return static_cast<int64_t>(plain_keys.size()); }

  // Appends `rows` tokens and shows them; asks the policy for the selection of the last row.
  void pass(int64_t rows) {
    std::normal_distribution<float> normal(0, 1);
    const int64_t first = store_.entries();
    store_.extend(rows);
    queries_.resize(static_cast<size_t>(rows * kHeads * kWidth));
    positions_.clear();
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t token = tokens();
      positions_.push_back(static_cast<int32_t>(token));
      std::vector<float>& q = plain_queries.emplace_back(kHeads * kWidth);
      for (float& x : q) x = normal(random_);
      if (static_cast<size_t>(token) < given_queries.size()) {
        q = given_queries[static_cast<size_t>(token)];
      }
      std::copy(q.begin(), q.end(), queries_.begin() + r * kHeads * kWidth);
      for (int64_t h = 0; h < kHeads; ++h) turn(queries_.data() + (r * kHeads + h) * kWidth, token);
      std::vector<float>& k = plain_keys.emplace_back(kKvHeads * kWidth);
      for (float& x : k) x = normal(random_);
      if (static_cast<size_t>(token) < given_keys.size()) {
        k = given_keys[static_cast<size_t>(token)];
      }
      for (int64_t h = 0; h < kKvHeads; ++h) {
        std::vector<float> key(k.begin() + h * kWidth, k.begin() + (h + 1) * kWidth);
        turn(key.data(), token);
        store_.write(0, h, first + r, key.data(), key.data());
      }
    }
    view_ = std::make_unique<LayerView>(shape_, store_, queries_.data(), kHeads * kWidth,
                                        positions_, first, dropped_);
    for (int64_t h = 0; h < kKvHeads; ++h) policy_->observe(*view_, h);
    policy_->settle(*view_);
    for (int64_t h = 0; h < kKvHeads; ++h) policy_->arrange(*view_, h);
  }

  // What row `row` of the last pass sees.
  std::vector<Run> selected(int64_t kv_head, int64_t head, int64_t row) const {
    std::vector<Run> runs;
    const int64_t index = view_->first_entry() + row;
    policy_->select(
        {0, kv_head, index, positions_[static_cast<size_t>(row)], {}, head, view_.get(), row},
        runs);
    return runs;
  }

  // After a pass: takes out what the policy no longer keeps, and gives the moves of each KV head.
  std::vector<std::vector<Move>> compact() {
    std::vector<std::vector<Move>> out(kKvHeads);
    const int64_t entries = store_.entries(), kept = policy_->keep(entries, tokens());
    if (kept >= entries) return out;
    for (int64_t h = 0; h < kKvHeads; ++h) {
      policy_->moves(0, h, out[static_cast<size_t>(h)]);
      for (const Move& m : out[static_cast<size_t>(h)]) store_.move(0, h, m.from, m.to);
    }
    store_.truncate(kept);
    dropped_ += entries - kept;
    return out;
  }

  // In double precision: the score that head `head` of token `query` gives to token `key`, as if
  // they were `distance` apart.
  double score(int64_t query, int64_t head, int64_t key, double distance) const {
    const float* q = plain_queries[static_cast<size_t>(query)].data() + head * kWidth;
    const float* k = plain_keys[static_cast<size_t>(key)].data() + head / kGroup * kWidth;
    double sum = 0;
    for (int64_t i = 0; i < kWidth / 2; ++i) {
      const double angle = distance * rope_.frequencies()[static_cast<size_t>(i)];
      const double a = q[i] * std::cos(angle) - q[kWidth / 2 + i] * std::sin(angle);
      const double b = q[kWidth / 2 + i] * std::cos(angle) + q[i] * std::sin(angle);
      sum += a * k[i] + b * k[kWidth / 2 + i];
    }
    return sum;
  }

  // Attention weights of a token's query over tokens 0 .. query.
  std::vector<double> weights(int64_t query, int64_t head) const {
    std::vector<double> out;
    double sum = 0;
    for (int64_t t = 0; t <= query; ++t) {
      out.push_back(std::exp(0.25 * score(query, head, t, static_cast<double>(query - t))));
      sum += out.back();
    }
    for (double& w : out) w /= sum;
    return out;
  }

  std::vector<std::vector<float>> plain_queries, plain_keys;  // [tokens][heads * width]
  // What the first tokens have instead of random ones; to be set before they come.
  std::vector<std::vector<float>> given_queries, given_keys;

 private:
  void turn(float* head, int64_t by) const {
    rotate(head, rope_.cosines(by), rope_.sines(by), rope_.pairs(), false);
  }

  RopeTable rope_;
  AttendShape shape_;
  KvStore store_;
  std::unique_ptr<ContextPolicy> policy_;
  std::mt19937_64 random_;
  std::vector<float> queries_;
  std::vector<int32_t> positions_;
  std::unique_ptr<LayerView> view_;
  int64_t dropped_ = 0;
};

// Indices of the `k` largest, ascending; of equal ones the lower indices. By sorting.
inline std::vector<int64_t> best(const std::vector<double>& scores, int64_t k) {
  std::vector<int64_t> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(std::min<int64_t>(k, static_cast<int64_t>(order.size()))));
  std::sort(order.begin(), order.end());
  return order;
}

inline std::vector<double> pooled(const std::vector<double>& in, int64_t kernel) {
  std::vector<double> out(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    out[i] = in[i];
    for (size_t j = 0; j < in.size(); ++j) {
      const auto apart = std::abs(static_cast<int64_t>(i) - static_cast<int64_t>(j));
      if (apart <= kernel / 2) out[i] = std::max(out[i], in[j]);
    }
  }
  return out;
}

inline std::vector<int64_t> entries_of(const std::vector<Run>& runs) {
  std::vector<int64_t> out;
  for (const Run& r : runs) {
    for (int64_t i = r.begin; i < r.end; ++i) out.push_back(i);
  }
  return out;
}

}  // namespace tessera::test
