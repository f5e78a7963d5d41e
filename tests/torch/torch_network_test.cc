#include "tessera/torch/torch_network.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tests/network/tiny_model.h"
#include "tests/network/variants.h"

namespace tessera {
namespace {

using test::random_ids;
using test::run_pieces;
using test::tiny_description;
using test::tiny_model;

// Both execute one graph; 1e-3 is what DESIGN promises, they differ by the order of their sums.
void agrees_with_the_engine(const std::string& device) {
  for (const test::Variant& v : test::variants()) {
    SCOPED_TRACE(v.name);
    const ModelFiles model = tiny_model(test::described(v), 31);
    const auto ids = random_ids(4, 40, model.description.vocabulary);
    auto engine = load_network(model);
    TorchNetwork torch(model, device);
    const auto want = run_pieces(*engine, ids, {25, 1, 1});
    for (const std::vector<int64_t>& cut : {std::vector<int64_t>{}, {25, 1, 1}}) {
      if (!model.description.decoder && !cut.empty()) continue;
      const auto got = run_pieces(torch, ids, cut);
      const auto straight = model.description.decoder ? want : run_pieces(*engine, ids, {});
      for (size_t i = 0; i < got.size(); ++i)
        ASSERT_NEAR(got[i], straight[i], 1e-3 * std::max(1.f, std::fabs(straight[i]))) << i;
    }
  }
}
void serves_a_policy(const std::string& device) {
  const ModelFiles model = tiny_model(tiny_description(), 32);
  const auto ids = random_ids(5, 60, 96);
  auto engine = load_network(model);
  TorchNetwork torch(model, device);
  const auto want = run_pieces(*engine, ids, {30}, "streaming:sinks=2,local=11");
  const auto got = run_pieces(torch, ids, {30}, "streaming:sinks=2,local=11");
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-3) << i;
}

TEST(TorchNetwork, AgreesWithTheEngineForEveryVariant) { agrees_with_the_engine("cpu"); }

TEST(TorchNetwork, ServesThePoliciesOfTheEngine) { serves_a_policy("cpu"); }

TEST(TorchNetwork, DoesTheSameOnAGraphicsProcessor) {
  if (!at::globalContext().hasCUDA()) GTEST_SKIP() << "no CUDA here";
  agrees_with_the_engine("cuda");
  serves_a_policy("cuda");
}

TEST(TorchNetwork, RefusesDevicesThatAreNotThere) {
  const ModelFiles model = tiny_model(tiny_description(), 32);
  for (const char* device : {"cuda:99", "cudo", "meta", ""}) {
    EXPECT_THROW(TorchNetwork(model, device), Error) << device;
  }
}

// Texts that are run together are what each is alone, for every kind of attention.
TEST(TorchNetwork, SequencesSideBySideDoNotSeeEachOther) {
  for (const test::Variant& v : test::variants()) {
    SCOPED_TRACE(v.name);
    const ModelDescription d = test::described(v);
    if (!d.decoder) continue;
    TorchNetwork torch(tiny_model(d, 36));
    c10::NoGradGuard no_gradients;
    const int64_t sequences = 3, n = 11;
    const auto ids = random_ids(7, sequences * n, d.vocabulary);
    at::Tensor all = at::empty({sequences * n}, at::kLong);
    for (int64_t i = 0; i < all.size(0); ++i) all[i] = ids[static_cast<size_t>(i)];
    const at::Tensor positions = at::arange(n).repeat({sequences});
    const at::Tensor together = torch.run(torch.embed(all), positions, nullptr, sequences).logits;
    for (int64_t s = 0; s < sequences; ++s) {
      const at::Tensor alone =
          torch.run(torch.embed(all.narrow(0, s * n, n)), at::arange(n), nullptr).logits;
      EXPECT_LT((together.narrow(0, s * n, n) - alone).abs().max().item<float>(), 1e-4) << s;
    }
  }
  TorchNetwork torch(tiny_model(tiny_description(), 36));
  EXPECT_THROW(torch.run(at::zeros({10, 64}), at::arange(10), nullptr, 3), Error);
}

// The gradient of output i with respect to input j is exactly zero where the mask hides j from i.
TEST(TorchNetwork, GradientsStopAtTheMask) {
  ModelDescription d = tiny_description();
  d.layers = 1;
  d.layer.resize(1);
  for (int64_t window : {0, 4}) {
    d.layer[0].window = window;
    TorchNetwork torch(tiny_model(d, 33));
    const int64_t n = 9;
    at::Tensor vectors = at::randn({n, d.width}).requires_grad_(true);
    const auto out = torch.run(vectors, at::arange(n), nullptr);
    for (int64_t i = 0; i < n; ++i) {
      vectors.mutable_grad() = at::Tensor();
      out.logits[i].sum().backward({}, true);
      const at::Tensor size = vectors.grad().abs().sum(1);
      for (int64_t j = 0; j < n; ++j) {
        const bool seen = j <= i && (window == 0 || j > i - window);
        EXPECT_EQ(size[j].item<float>() != 0, seen) << i << " " << j;
      }
    }
  }
}

// Oracle: central differences of the loss in the direction of a random change of each parameter.
TEST(TorchNetwork, GradientsAreThoseOfTheLoss) {
  at::manual_seed(35);
  for (const test::Variant& v : test::variants()) {
    SCOPED_TRACE(v.name);
    const ModelDescription d = test::described(v);
    if (!d.decoder || d.experts > 0) continue;  // a router's choice has no derivative
    TorchNetwork torch(tiny_model(d, 34));
    const auto ids = random_ids(6, 12, d.vocabulary);
    at::Tensor t = at::empty({12}, at::kLong);
    for (int64_t i = 0; i < 12; ++i) t[i] = ids[static_cast<size_t>(i)];
    auto loss = [&] {
      const auto out = torch.run(torch.embed(t), at::arange(12), nullptr);
      return at::cross_entropy_loss(out.logits.narrow(0, 0, 11).to(at::kDouble),
                                    t.narrow(0, 1, 11));
    };
    for (const auto& [name, parameter] : torch.parameters())
      at::Tensor(parameter).requires_grad_(true);
    loss().backward();
    size_t moved = 0;
    for (const auto& [name, parameter] : torch.parameters()) {
      at::Tensor p = parameter;
      if (!p.grad().defined()) continue;
      c10::NoGradGuard no_gradients;
      const at::Tensor change = at::randn_like(p);
      const double step = 1e-2 / change.norm().item<double>();
      const at::Tensor kept = p.detach().clone();
      p.add_(change, step);
      const double up = loss().item<double>();
      p.copy_(kept - change * step);
      const double down = loss().item<double>();
      p.copy_(kept);
      const double slope = (p.grad() * change).sum().item<double>();
      // The loss comes from fp32 logits: its differences are good to a few hundredths at this step.
      EXPECT_NEAR((up - down) / (2 * step), slope, 0.08 * std::fabs(slope) + 0.05) << name;
      ++moved;
    }
    EXPECT_GT(moved, 10u);
  }
}

}  // namespace
}  // namespace tessera
