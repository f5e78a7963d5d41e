// How much of full attention's weight stands on what a policy lets a token see: 1 says that nothing
// that mattered was left out.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "tessera/network/selection_trace.h"

namespace tessera {

// Takes the selections of policies that look at keys (of others it learns nothing), from which some
// entry was left out. The weights are those of the text as the policy had it so far: entries that
// it dropped count as if they had never been.
class AttentionMass final : public SelectionSink {
 public:
  explicit AttentionMass(int64_t layers) : layers_(static_cast<size_t>(layers)) {}
  void take(const Selection& selection) override;

  // Means over tokens and query heads; 0 where nothing was left out.
  double of_layer(int64_t layer) const { return layers_.at(static_cast<size_t>(layer)).value(); }
  double mean() const { return all_.value(); }
  // Of the first four entries and the newest ones, as many together as were chosen each time.
  double of_newest() const { return newest_.value(); }
  // Of one token of the text, over layers and heads.
  double of_token(int64_t token) const;

 private:
  struct Mean {
    double sum = 0;
    int64_t count = 0;
    void add(double x) {
      sum += x;
      ++count;
    }
    double value() const { return count > 0 ? sum / static_cast<double>(count) : 0; }
  };
  std::mutex taking_;
  std::vector<Mean> layers_;
  std::map<int64_t, Mean> tokens_;
  Mean all_, newest_;
};

}  // namespace tessera
