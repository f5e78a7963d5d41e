#include "tessera/tokenizer/train/training_texts.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/base/progress.h"
#include "tessera/tokenizer/seams.h"

namespace tessera {
namespace {

constexpr size_t kBlock = size_t{1} << 20;

// Gives `sink` blocks in which each text of `block` stands as often as the rate says.
void repeat(const TextBlock& block, double rate, const std::function<void(TextBlock)>& sink) {
  const auto times = static_cast<int64_t>(rate);
  const double rest = (rate - static_cast<double>(times)) * 0x1p64;
  std::string bytes;
  std::vector<size_t> ends;
  const auto give = [&] {
    if (bytes.empty()) return;
    sink(TextBlock(std::move(bytes), std::move(ends)));
    bytes.clear();
    ends.clear();
  };
  block.each_text([&](std::string_view text) {
    const int64_t more = static_cast<double>(hash_of(text)) < rest ? 1 : 0;
    for (int64_t i = 0; i < times + more; ++i) {
      bytes += text;
      ends.push_back(bytes.size());
      if (bytes.size() >= kBlock) give();
    }
  });
  give();
}

}  // namespace

TextBlock::TextBlock(std::string bytes, std::vector<size_t> ends)
    : bytes_(std::move(bytes)), ends_(std::move(ends)), size_(bytes_.size()) {
  bytes_.append(kPadding, '\0');
}

// Blocks on their way from the thread that reads to those that work.
class TrainingTexts::Queue {
 public:
  Queue(int64_t threads, const Work& work) : work_(work), room_(2 * static_cast<size_t>(threads)) {
    for (int64_t t = 1; t < threads; ++t) {
      threads_.emplace_back([this, t] { serve(static_cast<size_t>(t)); });
    }
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue() { close(); }

  // Takes part in the work where the others do not keep up.
  void push(TextBlock block) {
    {
      std::unique_lock lock(mutex_);
      if (fault_) std::rethrow_exception(fault_);
      if (!threads_.empty() && blocks_.size() < room_) {
        blocks_.push_back(std::move(block));
        wanted_.notify_one();
        return;
      }
    }
    work_(block, 0);
  }
  void finish() {
    for (TextBlock block; take(block);) work_(block, 0);
    close();
    if (fault_) std::rethrow_exception(fault_);
  }

 private:
  // Without waiting.
  bool take(TextBlock& block) {
    const std::lock_guard lock(mutex_);
    if (blocks_.empty()) return false;
    block = std::move(blocks_.front());
    blocks_.pop_front();
    return true;
  }
  void serve(size_t thread) {
    while (true) {
      TextBlock block;
      {
        std::unique_lock lock(mutex_);
        wanted_.wait(lock, [&] { return closed_ || !blocks_.empty(); });
        if (blocks_.empty()) return;
        block = std::move(blocks_.front());
        blocks_.pop_front();
      }
      try {
        work_(block, thread);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!fault_) fault_ = std::current_exception();
        blocks_.clear();
      }
    }
  }
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    wanted_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  const Work& work_;
  size_t room_;
  std::mutex mutex_;
  std::condition_variable wanted_;
  std::deque<TextBlock> blocks_;
  std::exception_ptr fault_;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

size_t longest_line_within(int64_t memory) {
  const size_t most = TrainingTextsOptions{}.longest_line;
  constexpr size_t kLeast = size_t{1} << 18;
  if (memory <= 0) return most;
  return std::clamp(static_cast<size_t>(memory) / 64, kLeast, most);
}

TrainingTexts::TrainingTexts(std::vector<std::string> sources, TrainingTextsOptions options)
    : sources_(std::move(sources)), options_(std::move(options)) {}

void TrainingTexts::read(int64_t threads, const CutLine& cut, const Work& work) {
  ProgressOptions shown;
  shown.label = "reading texts";
  shown.unit = "bytes";
  shown.sink = options_.progress;
  for (const std::string& source : sources_) {
    const int64_t bytes = corpus_bytes(source);
    if (bytes == 0) {
      shown.total = 0;
      break;
    }
    shown.total += bytes;
  }
  Progress progress(shown);
  Queue queue(threads, work);
  const auto push = [&](TextBlock block) {
    read_ += static_cast<int64_t>(block.bytes().size());
    queue.push(std::move(block));
  };
  for (size_t i = 0; i < sources_.size(); ++i) {
    const double rate = options_.rates.empty() ? 1 : options_.rates[i];
    read_source(sources_[i], cut, [&](TextBlock block) {
      const auto bytes = static_cast<int64_t>(block.bytes().size());
      if (rate == 1) {
        push(std::move(block));
      } else {
        repeat(block, rate, push);
      }
      progress.advance(bytes);
    });
  }
  queue.finish();
}

void TrainingTexts::read_source(const std::string& source, const CutLine& cut,
                                const std::function<void(TextBlock)>& sink) {
  std::string lines, items;
  std::vector<size_t> ends;
  const auto give_items = [&] {
    if (!items.empty()) sink(TextBlock(std::exchange(items, {}), std::exchange(ends, {})));
  };
  read_corpus_parts(source, options_.shape, [&](std::string_view part, bool last) {
    if (last && lines.empty()) {
      // A text of its own: of JSONL, or a line without its end.
      if (part.empty()) return;
      items += part;
      ends.push_back(items.size());
      if (items.size() >= kBlock) give_items();
      return;
    }
    const size_t held = lines.size();
    lines += part;
    if (last) return sink(TextBlock(std::exchange(lines, {}), {}));
    if (lines.size() < kBlock) return;
    size_t end = part.rfind('\n');
    if (end != std::string_view::npos) {
      end += held + 1;
    } else if (lines.size() < options_.longest_line) {
      return;
    } else {
      end = cut ? cut(lines) : lines.size() - last_character(lines).size();
      if (end == 0 || end > lines.size()) end = lines.size();
      ++cut_lines_;
    }
    std::string rest = lines.substr(end);
    lines.resize(end);
    sink(TextBlock(std::exchange(lines, std::move(rest)), {}));
  });
  give_items();
}

void expect_text(bool any) {
  if (any) return;
  throw Error("the texts", "hold nothing to learn from", "Name files with text in them.");
}

}  // namespace tessera
