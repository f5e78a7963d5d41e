// A loaded decoder as the strategies see it: ids in, logits out.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tessera/files/model.h"
#include "tessera/network/engine.h"
#include "tessera/network/network.h"

namespace tessera {

class LanguageModel final : public CausalModel {
 public:
  // `policy`: spec of the context seam for every new past. Throws Error for an encoder.
  LanguageModel(std::unique_ptr<Network> network, std::string policy);

  int64_t vocabulary_size() const override;
  // The trained window; no bound for a policy that serves texts of any length.
  int64_t context() const override { return context_; }
  int64_t trained_context() const override {
    return std::max(context_, network_->trained_context());
  }
  std::unique_ptr<Past> new_past() override;
  int64_t cache_bytes() const override { return network_->cache_bytes(); }
  int64_t cache_bytes_for(int64_t tokens, int64_t step) const override {
    return network_->cache_bytes_for(policy_, tokens, step);
  }
  void forward(std::span<const Item> batch) override;

  Network& network() { return *network_; }
  const std::string& policy() const { return policy_; }

 private:
  std::unique_ptr<Network> network_;
  std::string policy_;
  int64_t context_;
  std::vector<float> vectors_;
  std::vector<Segment> segments_;
};

// Vectors of texts from an encoder: pooled and normalised as the model's folder says. A decoder is
// pooled by its last token. All texts go through the network in one pass, whose memory is that of
// all their tokens; none changes another's vector.
//   ids    of each text, template tokens included
//   result [texts][d]
std::vector<std::vector<float>> embed_texts(Network& network,
                                            std::span<const std::vector<int32_t>> ids);

}  // namespace tessera
