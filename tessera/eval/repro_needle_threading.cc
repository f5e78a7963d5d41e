#include "tessera/eval/repro_needle_threading.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tessera/eval/asked_model.h"
#include "tessera/eval/repro_tools.h"
#include "tessera/eval/thread.h"

namespace tessera {
namespace {

// Threads and lists are asked for in texts of the first ones, single needles in all: reading is
// what takes the time.
constexpr int64_t kLengths[] = {256, 512, 1024, 2048};
constexpr size_t kOfThreads = 3;
constexpr int64_t kItems = 10;
// Questions about one object: its reading is shared.
constexpr int64_t kShared = 4;

struct Task {
  const char* name;
  ThreadOptions options;
};
enum Which : size_t { kSingle, kThree, kMarked, kForward, kBackward, kFour, kTasks };
constexpr Task kAll[kTasks] = {
    {"single needle", {.steps = 1}},
    {"three needles", {.steps = 1, .count = 3}},
    {"three marked keys", {.steps = 1, .count = 3, .marked = true}},
    {"thread of 2, forward", {.steps = 2}},
    {"thread of 2, backward", {.steps = 2, .direction = ThreadDirection::backward}},
    {"thread of 4, forward", {.steps = 4}},
};

// Of one item, from 0 to 1.
double share_of(const NeedleItem& item, const ThreadOptions& options, const std::string& output) {
  if (!options.list()) return holds_answer(output, item.answer) ? 1 : 0;
  return score_list(output, item.answers, !options.marked).share;
}

std::vector<double> ask(AskedModel& model, const ReproRequest& request, const Task& task,
                        int64_t room, int64_t items, ReproProgress& progress) {
  ThreadOptions options = task.options;
  options.seed = request.seed;
  const int64_t values = options.list() ? options.count : 1;
  const int64_t shared = options.steps == 1 && !options.list() ? kShared : 1;
  const auto length = [&](const std::string& prompt) { return model.length(prompt); };
  std::vector<double> out;
  for (int64_t i = 0; i < items; ++i) {
    const double depth = (static_cast<double>(i) + 0.5) / static_cast<double>(items);
    const auto object = static_cast<uint64_t>(room * 100'000 + i / shared);
    const NeedleItem item = make_thread(options, depth, object, room, length);
    const auto answer = model.answer(model.prompt(item.prompt()), 8 + 16 * values);
    out.push_back(share_of(item, options, answer));
    progress.advance();
  }
  return out;
}

// A single value is there or not; of a list, parts of it are.
ReproFigure figure_of(const std::string& name, const std::string& what,
                      const std::vector<double>& shares, bool list) {
  if (list) return mean_figure(name, what, shares, 100);
  const auto right = std::count(shares.begin(), shares.end(), 1.0);
  return share_figure(name, what, right, static_cast<int64_t>(shares.size()));
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
  std::vector<double> together[kTasks];  // over the lengths of threads
  for (size_t t = 0; t < kTasks; ++t) {
    const bool list = kAll[t].options.list();
    for (size_t l = 0; l < lengths_of(t); ++l) {
      const auto shares = ask(model, request, kAll[t], kLengths[l], items, progress);
      cells[t][l] =
          figure_of(kAll[t].name, fmt::format("% right, {} tokens", kLengths[l]), shares, list);
      out.figures.push_back(cells[t][l]);
      if (l < kOfThreads) together[t].insert(together[t].end(), shares.begin(), shares.end());
    }
  }
  const auto all = [&](Which t) { return figure_of("", "", together[t], kAll[t].options.list()); };
  const ReproFigure &first = cells[kSingle][0], &last = cells[kSingle][std::size(kLengths) - 1];
  // A single needle that is not found says nothing about threads.
  const bool able = all(kSingle).value >= 60;
  const auto qualified = [&](ReproVerdict v) { return able ? v : ReproVerdict::nothing; };
  out.claims.push_back({"a single needle is found less often in longer texts",
                        "Llama-3.1-8B: 96 % at 1.2k tokens, 89 % at 32k, 51 % at 128k (Table 3)",
                        fmt::format("{} tokens: {}; {}: {}", kLengths[0], figure_text(first),
                                    kLengths[std::size(kLengths) - 1], figure_text(last)),
                        is_above(first, last)});
  out.claims.push_back(
      {"several needles are found less often than single ones",
       "the number of needles hurts far less than the length",
       fmt::format("three {}, single {}", figure_text(all(kThree)), figure_text(all(kSingle))),
       qualified(is_above(all(kSingle), all(kThree)))});
  out.claims.push_back(
      {"keys that are asked for by what they contain are found less often than named ones",
       "GPT-4o, effective lengths: single 214k characters, conditional 14k (Table 2)",
       fmt::format("marked {}, named {}", figure_text(all(kMarked)), figure_text(all(kThree))),
       qualified(is_above(all(kThree), all(kMarked)))});
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
