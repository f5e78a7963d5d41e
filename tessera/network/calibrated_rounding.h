// Rounding of weights that knows what a text makes of them: the inputs of every matrix are watched
// while the network reads the text, and an error in a column costs what the inputs make of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tessera/files/model.h"
#include "tessera/files/rounding.h"
#include "tessera/network/network.h"

namespace tessera {

struct CalibratedRoundingOptions {
  // false: each column of a matrix weighs the mean square of its input (quantise_weighted()).
  // true: later columns also make up for the errors of earlier ones (ErrorFeedback), which needs
  // the products of all pairs of columns.
  bool feedback = false;
  // Memory for products: the text is read once for as many layers as fit, for one at least.
  int64_t product_bytes = int64_t{1} << 30;
  // Widest matrix whose products are taken; wider ones are refused.
  int64_t most_columns = 16384;
  // Tokens that were read, now and then.
  std::function<void(int64_t)> progress = {};
};

// For `model`, which `network` was loaded from: a decoder, best with activations in 15 bits. Reads
// the windows, each a text of its own, when the first matrix is asked for, and again for every
// further group of layers. Matrices outside the layers and experts to which no token came are left
// to quantise(). The result is the same for any number of threads. Throws Error when it is called
// for inputs that are no numbers, and for a network whose inputs cannot be watched.
//   windows [texts][ids], of at least one token
Rounding calibrated_rounding(const ModelFiles& model, std::shared_ptr<Network> network,
                             std::vector<std::vector<int32_t>> windows,
                             const CalibratedRoundingOptions& options = {});

}  // namespace tessera
