#include "tessera/network/network.h"

#include <string>

#include "tessera/base/error.h"

namespace tessera {
namespace {

Error not_kept(const std::string& family) {
  return Error("past", "that of " + family + " cannot be kept in a file on this device",
               "Run without --cache.");
}

}  // namespace

void Network::read_layer(Past& /*past*/, std::span<const float> /*vectors*/, int64_t layer,
                         const LayerSink& /*sink*/) {
  throw Error("layer " + std::to_string(layer), "does not show its attention on this device",
              "Use the processor.");
}

void Network::write_past(const Past& /*past*/, const ByteSink& /*sink*/) const {
  throw not_kept(description().family);
}

std::unique_ptr<Past> Network::read_past(std::span<const std::byte> /*bytes*/,
                                         const std::string& /*policy*/) {
  throw not_kept(description().family);
}

}  // namespace tessera
