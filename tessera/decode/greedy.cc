#include "tessera/decode/greedy.h"

#include <utility>

#include "tessera/decode/single_search.h"

namespace tessera {
namespace {

class Greedy : public Strategy {
 public:
  std::unique_ptr<Search> start(const SearchSetup& setup, Branch first) const override {
    return single_search(setup, std::move(first), {},
                         [](std::span<const float> scores, Branch&) { return argmax(scores); });
  }
};

}  // namespace

std::unique_ptr<Strategy> greedy(const GreedyOptions& /*options*/) {
  return std::make_unique<Greedy>();
}

}  // namespace tessera
