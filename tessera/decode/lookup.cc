#include "tessera/decode/lookup.h"

#include <algorithm>
#include <string>

#include "tessera/base/error.h"

namespace tessera {
namespace {

class Lookup : public Drafter {
 public:
  explicit Lookup(const LookupOptions& options) : options_(options) {}

  bool nothing() const override { return options_.tokens == 0; }
  void attach(int64_t /*vocabulary*/, CausalModel* /*model*/) override {}

  // One walk back: of the places where the newest id stood, the one behind which most ids agree
  // with the text's end, the latest of equals.
  void guess(std::span<const TokenId> text, int64_t most, std::vector<TokenId>& out) override {
    const auto n = static_cast<int64_t>(text.size());
    int64_t best = 0, best_end = 0;
    for (int64_t end = n - 1; end > 0 && best < options_.longest; --end) {
      int64_t same = 0;
      while (same < options_.longest && same < end &&
             text[static_cast<size_t>(end - 1 - same)] == text[static_cast<size_t>(n - 1 - same)]) {
        ++same;
      }
      if (same > best) {
        best = same;
        best_end = end;
      }
    }
    if (best < options_.shortest) return;
    const int64_t take = std::min({most, options_.tokens, n - best_end});
    for (int64_t i = 0; i < take; ++i) out.push_back(text[static_cast<size_t>(best_end + i)]);
  }

 private:
  LookupOptions options_;
};

}  // namespace

std::unique_ptr<Drafter> lookup(const LookupOptions& options) {
  if (options.shortest > options.longest) {
    throw Error("lookup",
                "shortest is " + std::to_string(options.shortest) + ", longest is " +
                    std::to_string(options.longest),
                "shortest is at most longest.");
  }
  return std::make_unique<Lookup>(options);
}

}  // namespace tessera
