#include "tessera/base/pool.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tessera {
namespace {

// Waiting inside a job lasts microseconds when every thread has a core of its own. Beyond that some
// other process has the core, and giving ours away is the fastest way to be served again.
constexpr int kSpins = 4000;
// Between jobs (tokens): about 50 microseconds, then sleep.
constexpr int kIdleSpins = 20000;

// A fine job in which more than this share was spent waiting is held up by a neighbour; this many
// in a row (two good ones make up for one) send the next ones to the caller alone, first for
// kSolo jobs, then for twice as many each time the second thread is tried again in vain.
constexpr double kHeldUp = 0.2;
constexpr int kPatience = 4;
constexpr int64_t kSolo = 32, kMostSolo = 1024;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

void Team::begin(int64_t size) {
  size_ = size;
  arrived_.store(0, std::memory_order_relaxed);
  phase_.store(0, std::memory_order_relaxed);
  waited_ns_.store(0, std::memory_order_relaxed);
  claims_[0].store(0, std::memory_order_relaxed);
  claims_[1].store(0, std::memory_order_relaxed);
}

void Team::barrier() {
  if (size_ == 1) {
    int64_t phase = phase_.load(std::memory_order_relaxed) + 1;
    claims_[(phase + 1) & 1].store(0, std::memory_order_relaxed);
    phase_.store(phase, std::memory_order_relaxed);
    return;
  }
  int64_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    // Everyone is here, so nobody claims: clear the counter of the stage after the next one.
    claims_[phase & 1].store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; spins < kSpins; ++spins) {
    if (phase_.load(std::memory_order_acquire) != phase) return;
    relax();
  }
  const int64_t start = now_ns();
  while (phase_.load(std::memory_order_acquire) == phase) std::this_thread::yield();
  waited_ns_.fetch_add(now_ns() - start, std::memory_order_relaxed);
}

int64_t Team::claim(int64_t stage) {
  return claims_[stage & 1].fetch_add(1, std::memory_order_relaxed);
}

struct Pool::Workers {
  std::mutex turn;  // one job at a time
  Team team;
  Entry entry = nullptr;
  void* job = nullptr;
  int64_t size = 1;
  alignas(64) std::atomic<uint32_t> ticket{0};  // raised to start a job
  alignas(64) std::atomic<int64_t> running{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  // Fine jobs: how often they were held up of late, how many more run alone, how many next time.
  int held_up = 0;
  int64_t solo_left = 0, solo_next = kSolo;

  void judge(int64_t job_ns, int64_t waited_ns) {
    if (static_cast<double>(waited_ns) < kHeldUp * static_cast<double>(job_ns)) {
      held_up = std::max(0, held_up - 1);
      if (held_up == 0) solo_next = kSolo;
      return;
    }
    held_up += 2;
    if (held_up < 2 * kPatience) return;
    held_up = kPatience;
    solo_left = solo_next;
    solo_next = std::min(2 * solo_next, kMostSolo);
  }

  void work(int64_t thread, uint32_t seen) {
    for (;;) {
      for (int spins = 0; ticket.load(std::memory_order_acquire) == seen; ++spins) {
        if (spins < kIdleSpins) {
          relax();
        } else {
          ticket.wait(seen, std::memory_order_acquire);
        }
      }
      ++seen;
      if (stop.load(std::memory_order_relaxed)) return;
      entry(job, thread, team);
      running.fetch_sub(1, std::memory_order_release);
    }
  }

  void end() {
    stop.store(true, std::memory_order_relaxed);
    ticket.fetch_add(1, std::memory_order_release);
    ticket.notify_all();
    for (auto& t : threads) t.join();
    threads.clear();
    stop.store(false, std::memory_order_relaxed);
  }
};

Pool::Pool() : workers_(std::make_unique<Workers>()) {}
Pool::~Pool() { workers_->end(); }

Pool& Pool::instance() {
  static Pool pool;
  return pool;
}

void Pool::set_threads(int64_t threads) {
  std::lock_guard lock(workers_->turn);
  if (threads == threads_) return;
  workers_->end();
  threads_ = threads;
  uint32_t seen = workers_->ticket.load(std::memory_order_relaxed);
  for (int64_t i = 1; i < threads; ++i) {
    workers_->threads.emplace_back([this, i, seen] { workers_->work(i, seen); });
  }
}

void Pool::run_erased(Entry entry, void* job, Grain grain) {
  Workers& w = *workers_;
  std::lock_guard lock(w.turn);
  const bool fine = grain == Grain::fine && threads_ > 1;
  if (threads_ == 1 || (fine && w.solo_left > 0)) {
    if (fine) --w.solo_left;
    w.team.begin(1);
    entry(job, 0, w.team);
    return;
  }
  w.team.begin(threads_);
  const int64_t start = fine ? now_ns() : 0;
  w.entry = entry;
  w.job = job;
  w.running.store(threads_ - 1, std::memory_order_relaxed);
  w.ticket.fetch_add(1, std::memory_order_release);
  w.ticket.notify_all();
  entry(job, 0, w.team);
  for (int spins = 0; w.running.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kSpins) {
      relax();
    } else {
      std::this_thread::yield();
    }
  }
  if (fine) w.judge(now_ns() - start, w.team.waited_ns_.load(std::memory_order_relaxed));
}

}  // namespace tessera
