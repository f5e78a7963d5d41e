#include "tessera/use/random_passages.h"

#include <algorithm>
#include <utility>

#include "tessera/base/random.h"

namespace tessera {
namespace {

class RandomPassages final : public Reader {
 public:
  explicit RandomPassages(const RandomPassagesOptions& o) : o_(o) {}

  // Each passage draws a number, and the largest ones are kept: the document's length need not be
  // known.
  ReadResult read(const ReadTask& task) const override {
    if (auto whole = begin_reading(task, o_.limits)) return *std::move(whole);
    ReadResult out;
    BestPassages best(o_.limits.budget);
    Random random(static_cast<uint64_t>(o_.seed));
    PassageSource source(task, o_.limits.budget, out);
    for (Passage p; source.next(p);) {
      p.score = random.uniform();
      out.most_held = std::max(out.most_held, best.tokens() + p.tokens());
      best.add(std::move(p));
    }
    keep(out, best.take());
    return out;
  }

 private:
  RandomPassagesOptions o_;
};

}  // namespace

std::unique_ptr<Reader> random_passages(const RandomPassagesOptions& options) {
  return std::make_unique<RandomPassages>(options);
}

}  // namespace tessera
