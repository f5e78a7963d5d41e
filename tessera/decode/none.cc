#include "tessera/decode/none.h"

namespace tessera {
namespace {

class None : public Constraint {
 public:
  std::unique_ptr<Constraint> clone() const override { return std::make_unique<None>(*this); }
  bool everything() const override { return true; }
  bool possible(const Piece& /*piece*/) const override { return true; }
  bool complete() const override { return true; }
  void accept(const Piece& /*piece*/) override { ++length_; }
  int64_t length() const override { return length_; }
  void rollback(int64_t length) override { length_ = length; }

 private:
  int64_t length_ = 0;
};

}  // namespace

std::unique_ptr<Constraint> no_constraint(const NoConstraintOptions& /*options*/) {
  return std::make_unique<None>();
}

}  // namespace tessera
