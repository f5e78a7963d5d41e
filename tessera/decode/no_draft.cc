#include "tessera/decode/no_draft.h"

namespace tessera {
namespace {

class NoDraft : public Drafter {
 public:
  bool nothing() const override { return true; }
  void attach(int64_t /*vocabulary*/, CausalModel* /*model*/) override {}
  void guess(std::span<const TokenId> /*text*/, int64_t /*most*/,
             std::vector<TokenId>& /*out*/) override {}
};

}  // namespace

std::unique_ptr<Drafter> no_draft(const NoDraftOptions& /*options*/) {
  return std::make_unique<NoDraft>();
}

}  // namespace tessera
