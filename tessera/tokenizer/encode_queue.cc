#include "tessera/tokenizer/encode_queue.h"

#include <algorithm>
#include <utility>

namespace tessera {
namespace {

constexpr int64_t kBatchesAThread = 4;
constexpr size_t kBatchBytes = 1 << 20;  // larger ones count as several

void encode_batch(const Tokenizer& tokenizer, const EncodeOptions& options,
                  const DuplicateFilter* filter, CorpusBatch& batch) {
  IdBuffer around;
  const std::string_view text = batch.text;
  for (const CorpusPart& part : batch.parts) {
    if (part.encode && part.begin == part.front) {
      tokenizer.encode_ids(text.substr(part.begin, part.end - part.begin), options, batch.ids);
    } else if (part.encode) {
      around.clear();
      tokenizer.encode_ids(text.substr(part.front, part.begin - part.front), options, around);
      const size_t before = around.size();
      around.clear();
      tokenizer.encode_ids(text.substr(part.front, part.end - part.front), options, around);
      batch.ids.append(around.ids().subspan(before));
    }
    batch.ends.push_back(batch.ids.size());
    batch.signs.push_back(part.sign && filter
                              ? filter->sign(text.substr(part.begin, part.end - part.begin))
                              : DocumentSign{});
  }
}

}  // namespace

EncodeQueue::EncodeQueue(const Tokenizer& tokenizer, EncodeOptions options,
                         const DuplicateFilter* filter, int64_t threads)
    : tokenizer_(tokenizer),
      options_(options),
      filter_(filter),
      room_(static_cast<size_t>(threads > 1 ? threads * kBatchesAThread : 1)) {
  for (int64_t i = 0; threads > 1 && i < threads; ++i) {
    threads_.emplace_back([this] { serve(); });
  }
}

EncodeQueue::~EncodeQueue() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wanted_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void EncodeQueue::work(Job& job) const {
  try {
    encode_batch(tokenizer_, options_, filter_, *job.batch);
  } catch (...) {
    job.fault = std::current_exception();
  }
}

void EncodeQueue::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    Job* job = nullptr;
    wanted_.wait(lock, [&] {
      const auto it =
          std::find_if(jobs_.begin(), jobs_.end(), [](const auto& j) { return !j->taken; });
      job = it == jobs_.end() ? nullptr : it->get();
      return closed_ || job;
    });
    if (closed_) return;
    job->taken = true;
    lock.unlock();
    work(*job);
    lock.lock();
    job->done = true;
    finished_.notify_one();
  }
}

void EncodeQueue::give_first(const Sink& sink) {
  std::unique_ptr<Job> job;
  {
    std::unique_lock lock(mutex_);
    if (threads_.empty()) {
      work(*jobs_.front());
    } else {
      finished_.wait(lock, [&] { return jobs_.front()->done; });
    }
    job = std::move(jobs_.front());
    jobs_.pop_front();
  }
  bytes_ -= job->batch->text.size();
  if (job->fault) std::rethrow_exception(job->fault);
  sink(*job->batch);
}

void EncodeQueue::push(std::unique_ptr<CorpusBatch> batch, const Sink& sink) {
  bytes_ += batch->text.size();
  while (!jobs_.empty() && (jobs_.size() >= room_ || bytes_ > room_ * kBatchBytes)) {
    give_first(sink);
  }
  auto job = std::make_unique<Job>();
  job->batch = std::move(batch);
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wanted_.notify_one();
}

void EncodeQueue::finish(const Sink& sink) {
  while (!jobs_.empty()) give_first(sink);
}

}  // namespace tessera
