#include "tessera/base/workshop.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/version.h>

#include "tessera/base/pool.h"
#include "tessera/base/version.h"
#include "tessera/torch/torch_network.h"
#include "tessera/train/recall_training.h"

namespace tessera {
namespace {

std::string libraries() {
  return fmt::format("libtorch {}, {} threads", TORCH_VERSION, at::get_num_threads());
}

std::unique_ptr<Network> load(const ModelFiles& model, const std::string& device) {
  at::set_num_threads(static_cast<int>(Pool::instance().threads()));
  return std::make_unique<TorchNetwork>(model, device);
}

}  // namespace
}  // namespace tessera

extern "C" const tessera::WorkshopTable* tessera_workshop() {
  static const std::string version(tessera::version());
  static const tessera::WorkshopTable table = {version.c_str(), tessera::libraries, tessera::load,
                                               tessera::train_recall};
  return &table;
}
