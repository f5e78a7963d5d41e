#include "tessera/use/truncate.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

namespace tessera {
namespace {

class Truncate final : public Reader {
 public:
  explicit Truncate(const TruncateOptions& o) : o_(o) {}

  ReadResult read(const ReadTask& task) const override {
    if (auto whole = begin_reading(task, o_.limits)) return *std::move(whole);
    const int64_t budget = o_.limits.budget;
    const int64_t head_room = o_.keep == "head" ? budget : o_.keep == "tail" ? 0 : budget / 2;
    ReadResult out;
    std::vector<Passage> head;
    std::deque<Passage> tail;
    int64_t head_tokens = 0, tail_tokens = 0;
    bool beginning = true;
    PassageSource source(task, std::max<int64_t>(1, budget / 2), out);
    for (Passage p; source.next(p);) {
      beginning = beginning && head_tokens + p.tokens() <= head_room;
      if (beginning) {
        head_tokens += p.tokens();
        head.push_back(std::move(p));
        continue;
      }
      tail_tokens += p.tokens();
      tail.push_back(std::move(p));
      out.most_held = std::max(out.most_held, head_tokens + tail_tokens);
      while (tail_tokens > budget - head_room) {
        tail_tokens -= tail.front().tokens();
        tail.pop_front();
      }
    }
    head.insert(head.end(), std::make_move_iterator(tail.begin()),
                std::make_move_iterator(tail.end()));
    keep(out, std::move(head));
    return out;
  }

 private:
  TruncateOptions o_;
};

}  // namespace

std::unique_ptr<Reader> truncate_reader(const TruncateOptions& options) {
  return std::make_unique<Truncate>(options);
}

}  // namespace tessera
