// A weight that is no number is found when the network is loaded, whatever type it is stored in.
#include <cstring>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tessera/network/engine.h"
#include "tests/base/refusal.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::expect_says;
using test::refusal;
using test::tiny_description;
using test::tiny_model;

// Another checkpoint with one damaged parameter.
class Spoilt final : public Checkpoint {
 public:
  Spoilt(std::shared_ptr<Checkpoint> sound, const Place& place, int64_t at, uint32_t bits)
      : sound_(std::move(sound)), place_(place), parameter_(sound_->weight(place)) {
    const TypeLayout layout = layout_of(parameter_.type);
    bytes_.assign(parameter_.data.begin(), parameter_.data.end());
    // Plain types are blocks of one value; the others here begin their blocks with the scale.
    const int64_t width = parameter_.type == DType::f32 ? 4 : 2;
    std::memcpy(bytes_.data() + at / layout.block_elements * layout.block_bytes, &bits,
                static_cast<size_t>(width));
    parameter_.data = bytes_;
  }
  Parameter weight(const Place& place) const override {
    return place.part == place_.part && place.layer == place_.layer ? parameter_
                                                                    : sound_->weight(place);
  }
  Parameter bias(const Place& place) const override { return sound_->bias(place); }
  void release(const Parameter&) const override {}

 private:
  std::shared_ptr<Checkpoint> sound_;
  Place place_;
  Parameter parameter_;
  std::vector<std::byte> bytes_;
};

uint32_t no_number(DType type) {
  if (type == DType::f32) return 0x7FC00000;
  return type == DType::bf16 ? 0x7FC0 : 0x7E00;
}

TEST(SpoiltWeights, AreNamedWhenTheNetworkIsLoaded) {
  for (DType type : {DType::f32, DType::f16, DType::bf16, DType::q4_0, DType::q4_1, DType::q5_0,
                     DType::q5_1, DType::q8_0}) {
    SCOPED_TRACE(layout_of(type).name);
    ModelFiles model = tiny_model(tiny_description(), 3, type);
    const auto sound = model.checkpoint;
    EXPECT_EQ(refusal([&] { load_network(model); }), "");
    const Parameter p = sound->weight({Part::down, 1});
    for (int64_t row : {int64_t{0}, int64_t{17}, p.rows - 1}) {
      model.checkpoint = std::make_shared<Spoilt>(sound, Place{Part::down, 1},
                                                  row * p.columns + p.columns - 1, no_number(type));
      const std::string said = refusal([&] { load_network(model); });
      expect_says(said, p.tensor + ": holds a value that is not finite");
      expect_says(said, "in rows " + std::to_string(row / 16 * 16) + " to");
    }
  }
}

TEST(SpoiltWeights, OfATableAreNamedBeforeTheyAreUsed) {
  ModelDescription d = tiny_description();
  d.tied = false;
  ModelFiles model = tiny_model(d, 3);
  const Place table{Part::token_embedding};
  const int64_t columns = model.checkpoint->weight(table).columns;
  model.checkpoint = std::make_shared<Spoilt>(model.checkpoint, table, 5 * columns + 2, 0x7FC00000);
  auto network = load_network(model);
  std::vector<float> out(static_cast<size_t>(columns));
  const int32_t sound = 4, spoilt = 5;
  network->embed({&sound, 1}, out);
  expect_says(refusal([&] { network->embed({&spoilt, 1}, out); }),
              "row 5 holds a value that is not finite");
}

}  // namespace
}  // namespace tessera
