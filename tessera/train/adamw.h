// Adam with decoupled weight decay. Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay
// Regularization", arXiv 1711.05101, algorithm 2.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

namespace tessera {

struct AdamWOptions {
  double rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double decay = 0;
  int64_t warm_up = 0;  // steps in which the rate rises to its value, in equal parts
  double clip = 0;      // greatest norm of all gradients together; 0: any
};

class AdamW {
 public:
  AdamW(std::vector<at::Tensor> parameters, const AdamWOptions& options);

  // Moves every parameter that has a gradient, and forgets the gradients. Gives the norm that all
  // of them together had.
  double step();
  int64_t steps() const { return steps_; }

 private:
  struct Moving {
    at::Tensor parameter, mean, square;
  };
  std::vector<Moving> moving_;
  AdamWOptions options_;
  int64_t steps_ = 0;
};

}  // namespace tessera
