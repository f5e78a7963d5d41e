#include "tessera/eval/repro_recall.h"

#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/network/engine.h"

namespace tessera {
namespace {

constexpr int64_t kQuestions = 512;
constexpr int64_t kEach = kRecallWindow.pairs;  // questions of a sequence

int64_t sequences_of(const ReproRequest& request) {
  return ((request.items > 0 ? request.items : kQuestions) + kEach - 1) / kEach;
}

ModelFiles opened(const ReproRequest& request) {
  try {
    return open_recall_mini({request.progress, request.stopped});
  } catch (const Error&) {
    if (request.stopped && request.stopped()) throw ReproStopped{};
    throw;
  }
}

}  // namespace

RecallBench::RecallBench(const ReproRequest& request, int64_t cells)
    : request_(request),
      files_(opened(request)),
      sequences_(sequences_of(request)),
      progress_(request, "recall-mini", "sequences", cells * sequences_of(request)) {
  Pool::instance().set_threads(request.threads);
}

RecallCell RecallBench::ask(const std::string& policy, int64_t length, int64_t far,
                            SelectionSink* sink) {
  // Its window stands in the way of full attention alone, and changes no angle.
  if (served_ != length) {
    ModelFiles files = files_;
    files.description.context = std::max(length, kRecallWindow.length);
    network_ = load_network(files);
    served_ = length;
  }
  trace_selections(*network_, sink);
  RecallCell out;
  out.score = recall_score(*network_, policy, {length, kEach}, sequences_, request_.seed, far, [&] {
    progress_.advance();
    return true;
  });
  out.all = share_figure(policy, "", out.score.right, out.score.asked);
  out.far = share_figure(policy, "", out.score.far_right, out.score.far_asked);
  return out;
}

}  // namespace tessera
