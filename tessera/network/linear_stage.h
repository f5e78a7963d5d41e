// Matrix products that read the same rows.
#pragma once

#include <string>
#include <vector>

#include "tessera/network/stage.h"

namespace tessera {

struct LinearPart {
  PackedMatrix matrix;
  const float* bias = nullptr;  // [groups * 16] or null
  Rows* out = nullptr;
};

class LinearStage final : public Stage {
 public:
  // tiles: the quantised form of `in`, for packings that take it
  LinearStage(const Rows* in, const Tiles* tiles, bool wanted)
      : in_(in), tiles_(tiles), wanted_(wanted) {}
  void run(Crew& crew, const Chunk& chunk) override;
  // "q_proj + k_proj + v_proj"
  std::string operation() const override;
  StageWork work(const Chunk& chunk, int64_t keys_read) const override;
  const Rows* in() const { return in_; }
  bool wanted() const { return wanted_; }
  const Tiles* tiles() const { return tiles_; }
  std::vector<LinearPart> parts;
  std::vector<Place> places;  // of the parts, for who observes their input

 private:
  const Rows* in_;
  const Tiles* tiles_;
  bool wanted_;
};

// Rows of `part` from group `begin` to `end`, for `rows` rows of the input.
void multiply(const LinearPart& part, const Rows& in, const Tiles* tiles, int64_t rows,
              int64_t begin, int64_t end);

}  // namespace tessera
