// Batches of texts that several threads encode and that come back in order.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tessera/text/duplicates.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

// A document or a part of one, in the text of its batch.
struct CorpusPart {
  size_t front = 0, begin = 0, end = 0;  // [front, begin): the character before a part's seam
  bool first = true, last = true;        // of its document's parts
  bool encode = true;
  bool sign = false;
  uint64_t document = 0;  // its number in the input
  uint64_t input = 0;     // hash of the input up to the end of the document
};

struct CorpusBatch {
  std::string text;
  std::vector<CorpusPart> parts;
  IdBuffer ids;
  std::vector<size_t> ends;         // of each part's ids
  std::vector<DocumentSign> signs;  // of each part; empty where none was asked for
};

class EncodeQueue {
 public:
  // `filter` may be null. With one thread the caller's own does the work.
  EncodeQueue(const Tokenizer& tokenizer, EncodeOptions options, const DuplicateFilter* filter,
              int64_t threads);
  ~EncodeQueue();
  EncodeQueue(const EncodeQueue&) = delete;
  EncodeQueue& operator=(const EncodeQueue&) = delete;

  // Gives finished batches to `sink` until there is room for this one. What a batch's work throws
  // is thrown when its turn comes.
  using Sink = std::function<void(CorpusBatch&)>;
  void push(std::unique_ptr<CorpusBatch> batch, const Sink& sink);
  // Gives all that are left.
  void finish(const Sink& sink);

 private:
  struct Job {
    std::unique_ptr<CorpusBatch> batch;
    std::exception_ptr fault;
    bool taken = false, done = false;
  };

  void work(Job& job) const;
  void serve();
  void give_first(const Sink& sink);

  const Tokenizer& tokenizer_;
  EncodeOptions options_;
  const DuplicateFilter* filter_;
  size_t room_, bytes_ = 0;  // batches that may wait; bytes of their texts
  std::mutex mutex_;
  std::condition_variable wanted_, finished_;
  std::deque<std::unique_ptr<Job>> jobs_;  // in order
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tessera
