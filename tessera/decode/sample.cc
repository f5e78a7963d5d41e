#include "tessera/decode/sample.h"

#include <cmath>
#include <utility>

#include "tessera/decode/candidates.h"
#include "tessera/decode/single_search.h"

namespace tessera {
namespace {

// What one text carries from token to token.
struct Sampler {
  Sampler(const SampleOptions& chosen, int64_t vocabulary)
      : options(chosen), candidates(vocabulary), most_surprise(2 * chosen.tau) {}

  TokenId operator()(std::span<const float> scores, Branch& branch) {
    if (options.temp == 0) return argmax(scores);
    candidates.load(scores);
    candidates.apply_temperature(options.temp);
    candidates.keep_top_k(options.top_k);
    candidates.keep_top_p(options.top_p);
    candidates.keep_min_p(options.min_p);
    candidates.keep_typical(options.typical);
    if (!options.mirostat) return candidates.items()[candidates.draw(branch.random)].id;
    candidates.keep_surprise(most_surprise);
    size_t drawn = candidates.draw(branch.random);
    // The surprise among what was kept, as llama.cpp has it.
    double surprise = -std::log2(candidates.probabilities()[drawn]);
    most_surprise -= options.eta * (surprise - options.tau);
    return candidates.items()[drawn].id;
  }

  SampleOptions options;
  Candidates candidates;
  double most_surprise;  // bits; Mirostat's mu
};

class Sample : public Strategy {
 public:
  explicit Sample(const SampleOptions& options) : options_(options) {}

  std::unique_ptr<Search> start(const SearchSetup& setup, Branch first) const override {
    return single_search(setup, std::move(first), options_.penalties,
                         Sampler(options_, setup.vocabulary));
  }

 private:
  SampleOptions options_;
};

}  // namespace

std::unique_ptr<Strategy> sample(const SampleOptions& options) {
  return std::make_unique<Sample>(options);
}

}  // namespace tessera
