// The one worker pool of the process. Workers spin inside a job, where the next stage is
// microseconds away, and sleep between jobs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace tessera {

// What a job sees of the threads that run it together.
class Team {
 public:
  int64_t size() const { return size_; }
  // Waits until every thread of the team has arrived. All threads call it equally often.
  void barrier();
  // A counter from which threads claim parts of one stage: claim(s) gives 0, 1, 2, ... to
  // whoever asks. `stage` is the number of barriers passed; a stage has one counter.
  int64_t claim(int64_t stage);

 private:
  friend class Pool;
  void begin(int64_t size);
  int64_t size_ = 1;
  alignas(64) std::atomic<int64_t> arrived_{0};
  alignas(64) std::atomic<int64_t> phase_{0};
  alignas(64) std::atomic<int64_t> waited_ns_{
      0};  // beyond what threads with a core of their own wait
  // Two counters are enough: the one of stage s + 1 is cleared while nobody can be in stage s + 1.
  alignas(64) std::atomic<int64_t> claims_[2] = {};
};

class Pool {
 public:
  // The process's pool; starts with one thread.
  static Pool& instance();
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int64_t threads() const { return threads_; }
  // Threads of the next jobs, the caller's own included. Needs threads >= 1 and no running job.
  void set_threads(int64_t threads);

  // Whether a job is a chain of short stages, in which a thread that loses its core holds up all
  // the others. Such jobs run on the caller alone for a while when that happens often: one core at
  // full speed beats two that wait for each other.
  enum class Grain : uint8_t { coarse, fine };

  // Runs job(thread, team) once on each thread, thread 0 being the caller, and returns when all
  // are done; team.size() says how many take part. The job must not throw, and must not call run()
  // again. Concurrent callers take turns.
  template <class Job>
  void run(Job&& job, Grain grain = Grain::coarse) {
    using Plain = std::remove_reference_t<Job>;
    run_erased([](void* j, int64_t thread, Team& team) { (*static_cast<Plain*>(j))(thread, team); },
               const_cast<std::remove_const_t<Plain>*>(&job), grain);
  }

 private:
  using Entry = void (*)(void* job, int64_t thread, Team& team);
  struct Workers;
  Pool();
  void run_erased(Entry entry, void* job, Grain grain);
  std::unique_ptr<Workers> workers_;
  int64_t threads_ = 1;
};

// Half-open range of `count` items that thread `thread` of `threads` takes, in units of `grain`.
struct Share {
  int64_t begin, end;
};
inline Share share_of(int64_t count, int64_t thread, int64_t threads, int64_t grain = 1) {
  int64_t units = (count + grain - 1) / grain;
  int64_t begin = units * thread / threads * grain, end = units * (thread + 1) / threads * grain;
  return {begin < count ? begin : count, end < count ? end : count};
}

}  // namespace tessera
