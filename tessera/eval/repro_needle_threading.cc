#include "tessera/eval/repro_needle_threading.h"

#include <iterator>
#include <string>

#include <fmt/format.h>

#include "tessera/eval/repro_tools.h"
#include "tessera/eval/thread.h"

namespace tessera {
namespace {

// Threads are followed in texts of the first ones, single needles are found in all: reading is what
// takes the time.
constexpr int64_t kLengths[] = {256, 512, 1024, 2048};
constexpr size_t kOfThreads = 3;
constexpr int64_t kItems = 10;
constexpr int64_t kAnswer = 24;

struct Task {
  const char* name;
  int64_t steps;
  ThreadDirection direction;
};
enum Which : size_t { kSingle, kForward, kBackward, kFour, kTasks };
constexpr Task kAll[kTasks] = {
    {"single needle", 1, ThreadDirection::forward},
    {"thread of 2, forward", 2, ThreadDirection::forward},
    {"thread of 2, backward", 2, ThreadDirection::backward},
    {"thread of 4, forward", 4, ThreadDirection::forward},
};

struct Counted {
  int64_t right = 0, n = 0;
};

Counted ask(AskedModel& model, const ReproRequest& request, const Task& task, int64_t room,
            int64_t items, ReproProgress& progress) {
  ThreadOptions options;
  options.steps = task.steps;
  options.direction = task.direction;
  options.seed = request.seed;
  const auto length = [&](const std::string& prompt) { return model.length(prompt); };
  Counted out;
  for (int64_t i = 0; i < items; ++i) {
    const double depth = (static_cast<double>(i) + 0.5) / static_cast<double>(items);
    const NeedleItem item =
        make_thread(options, depth, static_cast<uint64_t>(room * 100'000 + i), room, length);
    const auto answer = model.answer(model.prompt(item.prompt()), "full", kAnswer);
    out.right += holds_answer(answer.text, item.answer) ? 1 : 0;
    ++out.n;
    progress.advance();
  }
  return out;
}

}  // namespace

ReproResult repro_needle_threading(const ReproRequest& request) {
  AskedModel model(request);
  const int64_t items = request.items > 0 ? request.items : kItems;
  const auto lengths_of = [](size_t task) {
    return task == kSingle ? std::size(kLengths) : kOfThreads;
  };
  int64_t cells_asked = 0;
  for (size_t t = 0; t < kTasks; ++t) cells_asked += static_cast<int64_t>(lengths_of(t));
  ReproProgress progress(request, "needle-threading", "answers", cells_asked * items);
  ReproResult out;
  ReproFigure cells[kTasks][std::size(kLengths)];
  Counted sums[kTasks];  // over the lengths of threads
  for (size_t t = 0; t < kTasks; ++t) {
    for (size_t l = 0; l < lengths_of(t); ++l) {
      const Counted c = ask(model, request, kAll[t], kLengths[l], items, progress);
      cells[t][l] =
          share_figure(kAll[t].name, fmt::format("% right, {} tokens", kLengths[l]), c.right, c.n);
      out.figures.push_back(cells[t][l]);
      if (l >= kOfThreads) continue;
      sums[t].right += c.right;
      sums[t].n += c.n;
    }
  }
  const auto all = [&](Which t) { return share_figure("", "", sums[t].right, sums[t].n); };
  const ReproFigure &first = cells[kSingle][0], &last = cells[kSingle][std::size(kLengths) - 1];
  // A single needle that is not found says nothing about threads.
  const bool able = all(kSingle).value >= 60;
  const auto qualified = [&](ReproVerdict v) { return able ? v : ReproVerdict::nothing; };
  out.claims.push_back({"a single needle is found less often in longer texts",
                        "Llama-3.1-8B: 96 % at 1.2k tokens, 89 % at 32k, 51 % at 128k (Table 3)",
                        fmt::format("{} tokens: {}; {}: {}", kLengths[0], figure_text(first),
                                    kLengths[std::size(kLengths) - 1], figure_text(last)),
                        is_above(first, last)});
  out.claims.push_back({"threads are followed far less often than single needles are found",
                        "Llama-3.1-8B: 13 % at 1.2k tokens, 0 % from 10k on (Table 6)",
                        fmt::format("two steps {}, single {}", figure_text(all(kForward)),
                                    figure_text(all(kSingle))),
                        qualified(is_above(all(kSingle), all(kForward)))});
  out.claims.push_back({"threads that go forward are easier than those that go backward",
                        "for most of its models",
                        fmt::format("forward {}, backward {}", figure_text(all(kForward)),
                                    figure_text(all(kBackward))),
                        qualified(is_above(all(kForward), all(kBackward)))});
  out.claims.push_back({"hardly any of four steps is followed: at most 5 %",
                        "Llama-3.1-8B: 0 % from 10k tokens on", figure_text(all(kFour)),
                        qualified(stays_below(all(kFour), 5))});
  return out;
}

}  // namespace tessera
