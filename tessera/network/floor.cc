#include "tessera/network/floor.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <iterator>
#include <numeric>
#include <vector>

#include "tessera/base/pool.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

double reading_speed(std::span<const std::byte> bytes) {
  double best = 0;
  std::atomic<uint64_t> sink{0};  // or the compiler would see that nothing is read
  for (int round = 0; round < 3; ++round) {
    const double seconds = seconds_of([&] {
      Pool::instance().run([&](int64_t thread, Team& team) {
        const Share mine = share_of(static_cast<int64_t>(bytes.size()), thread, team.size(), 64);
        uint64_t sums[8] = {};
        for (int64_t at = mine.begin; at + 64 <= mine.end; at += 64) {
          // As the kernels fetch them: some processors read a third slower without.
          __builtin_prefetch(bytes.data() + at + 2048);
          uint64_t line[8];
          std::memcpy(line, bytes.data() + at, sizeof line);
          for (int i = 0; i < 8; ++i) sums[i] += line[i];
        }
        sink += std::accumulate(std::begin(sums), std::end(sums), uint64_t{0});
      });
    });
    best = std::max(best, static_cast<double>(bytes.size()) / seconds);
  }
  return best;
}

double multiplying_speed(const LinearStage& stage) {
  constexpr double kSeconds = 0.015;
  PackedMatrix few = stage.parts[0].matrix;
  few.rows = std::min<int64_t>(few.rows, 4 * kGroupRows);
  ActivationTile tile;
  tile.tokens = kTileTokens;
  tile.plain = stage.in()->row(0);
  tile.plain_stride = stage.in()->stride;
  if (stage.tiles()) {
    tile.quantised = stage.tiles()->data;
    tile.activations = stage.tiles()->activations;
  }
  const int64_t stride = few.groups() * kGroupRows;
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    std::atomic<int64_t> products{0};
    const double seconds = seconds_of([&] {
      Pool::instance().run([&](int64_t, Team&) {
        std::vector<float> out(static_cast<size_t>(stride * kTileTokens));
        const auto begin = Clock::now();
        while (std::chrono::duration<double>(Clock::now() - begin).count() < kSeconds) {
          kernels().linear(few, 0, few.groups(), tile, out.data(), stride);
          products += kTileTokens * few.rows * few.columns;
        }
      });
    });
    best = std::max(best, static_cast<double>(products) / seconds);
  }
  return best;
}

}  // namespace tessera
