// Where the time of forward passes goes: kinds of operations beside what they must move and do.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

class Stage;
struct Chunk;

// All stages that are called the same: "q_proj + k_proj + v_proj" of every layer, say.
struct OperationCost {
  std::string name = {};
  int64_t runs = 0;
  double seconds = 0;
  int64_t bytes = 0;  // weights, keys and values that it cannot but read, each once a run
  int64_t multiply_adds = 0;
};

// What the threads of the pool reach with one thing alone, measured on the loaded network: no
// operation can take less than its bytes and its multiply-adds take at these rates.
struct NetworkFloor {
  double bytes_per_second = 0;          // reading all packed weights, and nothing else
  double multiply_adds_per_second = 0;  // the matrix kernel on weights that stay in the cache
  // Seconds below which `cost` cannot come.
  double seconds(const OperationCost& cost) const;
};

// Filled by a network between start_profile() and stop_profile(). Not thread-safe.
class Profile {
 public:
  const std::vector<OperationCost>& operations() const { return operations_; }  // as they first ran
  int64_t passes() const { return passes_; }
  double seconds() const { return seconds_; }  // of whole passes; more than the operations' sum

  // For networks. A pass is opened, runs stages one after the other, and is closed.
  void open_pass();
  void close_pass();
  void stage_begins(const Chunk& chunk);
  void stage_ended(const Stage& stage, const Chunk& chunk);

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<OperationCost> operations_;
  int64_t passes_ = 0, keys_before_ = 0;
  double seconds_ = 0;
  Clock::time_point pass_began_, stage_began_;
};

}  // namespace tessera
