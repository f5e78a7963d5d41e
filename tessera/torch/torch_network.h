// The forward passes of the engine, executed by libtorch operation by operation: with gradients,
// and on a graphics processor.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "tessera/files/model.h"
#include "tessera/network/graph.h"
#include "tessera/network/network.h"
#include "tessera/network/policy.h"

namespace tessera {

class TorchPast;

class TorchNetwork final : public Network {
 public:
  // All weights in fp32 on `device`. Throws Error for a device that libtorch does not have.
  TorchNetwork(const ModelFiles& model, const std::string& device = "cpu");

  const ModelDescription& description() const override { return description_; }
  std::unique_ptr<Past> new_past(const std::string& policy = "full") override;
  void forward(std::span<const Segment> batch) override;
  void embed(std::span<const int32_t> ids, std::span<float> out) override;

  // What training stands on; both record gradients when libtorch's grad mode is on.
  at::Tensor embed(const at::Tensor& ids);  // [n] -> [n, embedding_width]
  struct Output {
    at::Tensor hidden;  // [n, d], after the final norm
    at::Tensor logits;  // [n, vocabulary]; undefined when there is no head
  };
  // With `sequences` > 1 the rows are so many texts of equal length, one behind the other, none of
  // which sees another; they have no past.
  //   vectors [n, embedding_width]   positions [n]   past may be null (then nothing precedes)
  Output run(const at::Tensor& vectors, const at::Tensor& positions, TorchPast* past,
             int64_t sequences = 1);

  // Every parameter by its Hugging Face name ("model.norm.weight"), as leaves for an optimiser.
  // Parts of a fused tensor share a module: all but the first bear "#" and the number of their
  // Part.
  const std::map<std::string, at::Tensor>& parameters() const { return by_name_; }

 private:
  at::Tensor weight(const Place& place);
  at::Tensor bias(const Place& place);
  void load(const Place& place);
  at::Tensor compute(const Op& op, const std::vector<at::Tensor>& in, const at::Tensor& positions,
                     TorchPast* past, int64_t sequences);
  at::Tensor norm(const Op& op, const at::Tensor& x, int64_t width);
  at::Tensor rotate(const Op& op, const at::Tensor& x, const at::Tensor& positions);
  at::Tensor attend(const Op& op, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const at::Tensor& positions, TorchPast* past, int64_t sequences);
  at::Tensor attend_selected(const Op& op, const at::Tensor& q, const at::Tensor& keys,
                             const at::Tensor& values, const at::Tensor& positions,
                             TorchPast* past);
  at::Tensor mixture(const Op& op, const at::Tensor& x);

  using Key = std::tuple<int, int64_t, int64_t>;
  ModelDescription description_;
  std::shared_ptr<Checkpoint> checkpoint_;
  Graph graph_;
  Geometry geometry_;
  at::Device device_;
  std::map<Key, at::Tensor> weights_, biases_;
  std::map<std::string, at::Tensor> by_name_;
};

// Keys and values of a sequence as tensors, one of each a layer.
class TorchPast final : public Past {
 public:
  explicit TorchPast(int64_t layers, std::unique_ptr<ContextPolicy> policy);
  TorchPast(const TorchPast& other);
  TorchPast& operator=(const TorchPast&) = delete;
  int64_t length() const override { return length_; }
  std::unique_ptr<Past> fork() const override { return std::make_unique<TorchPast>(*this); }
  bool can_truncate() const override { return true; }
  void truncate(int64_t length) override;
  PastCounters counters() const override;

 private:
  friend class TorchNetwork;
  int64_t length_ = 0;
  std::unique_ptr<ContextPolicy> policy_;
  std::vector<at::Tensor> keys_, values_;  // [entries, kv_heads, head_width], keys rotated
  PastCounters counted_;
};

}  // namespace tessera
