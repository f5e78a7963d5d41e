#include "tessera/network/mixture_stage.h"

#include <algorithm>
#include <cstring>

namespace tessera {
namespace {

void quantise_tiles(Crew& crew, const Rows& from, Tiles& to, int64_t rows) {
  const Share share = share_of(rows, crew.thread, crew.size(), kTileTokens);
  for (int64_t t = share.begin; t < share.end; t += kTileTokens) {
    kernels().quantise(to.activations, from.row(t), from.stride, std::min(kTileTokens, rows - t),
                       from.width, to.data + t / kTileTokens * to.tile_stride);
  }
}

void multiply_share(Crew& crew, const PackedMatrix& m, const Rows& in, const Tiles& tiles,
                    Rows* out, int64_t rows) {
  const Share share = share_of(m.groups(), crew.thread, crew.size());
  if (share.begin < share.end) {
    multiply({m, nullptr, out}, in, &tiles, rows, share.begin, share.end);
  }
}

}  // namespace

// Scores of all experts, then the `used` highest of each row; ties go to the lower expert.
void MixtureStage::route(Crew& crew, int64_t rows) {
  const int64_t n = router.rows;
  multiply_share(crew, router, *in_, tiles_ ? *tiles_ : Tiles{}, &scratch_->scores, rows);
  crew.barrier();
  const Share share = share_of(rows, crew.thread, crew.size());
  for (int64_t r = share.begin; r < share.end; ++r) {
    float* p = scratch_->scores.row(r);
    kernels().softmax(p, n);
    int32_t* chosen = scratch_->chosen.data() + r * shape_.used;
    float* weight = scratch_->weight.data() + r * shape_.used;
    float sum = 0;
    for (int64_t i = 0; i < shape_.used; ++i) {
      int32_t best = -1;
      for (int32_t e = 0; e < n; ++e) {
        const bool taken = std::find(chosen, chosen + i, e) != chosen + i;
        if (!taken && (best < 0 || p[e] > p[best])) best = e;
      }
      chosen[i] = best;
      weight[i] = p[best];
      sum += p[best];
    }
    for (int64_t i = 0; shape_.renormalised && i < shape_.used; ++i) weight[i] /= sum;
    std::fill_n(out_->row(r), out_->width, 0.f);
  }
}

void MixtureStage::sort_rows(int64_t rows) {
  auto& s = *scratch_;
  std::fill(s.begin.begin(), s.begin.end(), 0);
  const int64_t n = rows * shape_.used;
  for (int64_t i = 0; i < n; ++i)
    s.begin[static_cast<size_t>(s.chosen[static_cast<size_t>(i)]) + 1]++;
  for (size_t e = 1; e < s.begin.size(); ++e) s.begin[e] += s.begin[e - 1];
  // begin[e] runs ahead while rows are placed, then all are moved back by one expert.
  for (int64_t i = 0; i < n; ++i) {
    const int32_t at = s.begin[static_cast<size_t>(s.chosen[static_cast<size_t>(i)])]++;
    s.members[static_cast<size_t>(at)] = static_cast<int32_t>(i / shape_.used);
    s.slot[static_cast<size_t>(at)] = static_cast<int32_t>(i);
  }
  for (size_t e = s.begin.size() - 1; e > 0; --e) s.begin[e] = s.begin[e - 1];
  s.begin[0] = 0;
}

void MixtureStage::run_expert(Crew& crew, int64_t number, int64_t begin, int64_t count) {
  const Expert& expert = experts[static_cast<size_t>(number)];
  auto& s = *scratch_;
  const Share mine = share_of(count, crew.thread, crew.size());
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    std::memcpy(s.gathered.row(i), in_->row(s.members[static_cast<size_t>(begin + i)]),
                static_cast<size_t>(in_->width) * sizeof(float));
  }
  crew.barrier();
  if (crew.observer) crew.observer->see(crew, {Part::up, layer, number}, s.gathered, count);
  if (takes_quantised(expert.up.packing)) {
    quantise_tiles(crew, s.gathered, s.gathered_tiles, count);
    crew.barrier();
  }
  if (expert.gate.rows > 0)
    multiply_share(crew, expert.gate, s.gathered, s.gathered_tiles, &s.gate, count);
  multiply_share(crew, expert.up, s.gathered, s.gathered_tiles, &s.up, count);
  crew.barrier();
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    if (expert.gate.rows > 0) {
      kernels().gate(shape_.activation, s.gate.row(i), s.up.row(i), s.up.width, s.up.row(i));
    } else {
      kernels().activate(shape_.activation, s.up.row(i), s.up.width, s.up.row(i));
    }
  }
  crew.barrier();
  if (crew.observer) crew.observer->see(crew, {Part::down, layer, number}, s.up, count);
  if (takes_quantised(expert.down.packing)) {
    quantise_tiles(crew, s.up, s.inner_tiles, count);
    crew.barrier();
  }
  multiply_share(crew, expert.down, s.up, s.inner_tiles, &s.down, count);
  crew.barrier();
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    float* out = out_->row(s.members[static_cast<size_t>(begin + i)]);
    const float w = s.weight[static_cast<size_t>(s.slot[static_cast<size_t>(begin + i)])];
    kernels().add_scaled(out, s.down.row(i), w, out_->width, out);
  }
  crew.barrier();
}

StageWork MixtureStage::work(const Chunk& chunk, int64_t /*keys_read*/) const {
  const auto values = [](const PackedMatrix& m) { return m.rows * m.columns; };
  const auto bytes = [](const PackedMatrix& m) {
    return m.rows > 0 ? m.groups() * m.group_bytes() : 0;
  };
  StageWork work{bytes(router), chunk.rows * values(router)};
  for (size_t e = 0; e < experts.size(); ++e) {
    const int64_t rows = scratch_->begin[e + 1] - scratch_->begin[e];
    for (const PackedMatrix* m : {&experts[e].gate, &experts[e].up, &experts[e].down}) {
      if (rows > 0) work.bytes += bytes(*m);
      work.multiply_adds += rows * values(*m);
    }
  }
  return work;
}

void MixtureStage::run(Crew& crew, const Chunk& chunk) {
  route(crew, chunk.rows);
  crew.barrier();
  if (crew.thread == 0) sort_rows(chunk.rows);
  crew.barrier();
  // Experts in ascending order: a row's sum has one order whatever rows are beside it.
  for (size_t e = 0; e < experts.size(); ++e) {
    const int64_t begin = scratch_->begin[e], count = scratch_->begin[e + 1] - begin;
    if (count > 0) run_expert(crew, static_cast<int64_t>(e), begin, count);
  }
}

}  // namespace tessera
