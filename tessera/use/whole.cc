#include "tessera/use/whole.h"

#include <string>

#include "tessera/base/error.h"
#include "tessera/use/passages.h"

namespace tessera {
namespace {

class Whole final : public Reader {
 public:
  ReadResult read(const ReadTask& task) const override {
    need_something_to_read(task);
    auto out = read_whole(task, task.room);
    if (!out) {
      throw Error("document",
                  "does not fit: with the question and the answer there is room for " +
                      std::to_string(task.room -
                                     static_cast<int64_t>(task.before.size() + task.after.size())) +
                      " tokens of it",
                  "Choose from it as it is read: `tessera list read`.");
    }
    return *std::move(out);
  }
};

}  // namespace

std::unique_ptr<Reader> whole(const WholeOptions&) { return std::make_unique<Whole>(); }

}  // namespace tessera
