#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/tessera/session.h"
#include "apps/tessera/trace_page.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/files/weights_hash.h"

namespace tessera::cli {
namespace {

struct TraceVerb {
  CommonOptions common;
  std::string file, output;
};

int run_trace(const TraceVerb& o) {
  const Trace trace = read_trace(o.file);
  const ModelFiles files = open_files(o.common);
  const std::string weights = weights_hash(files.tensors);
  if (weights != trace.origin.weights) {
    throw Error(o.file,
                fmt::format("was made with another model: weights {}, {} has {}",
                            trace.origin.weights, files.reference, weights),
                "Name its model with -m.");
  }
  const auto tokenizer = tokenizer_for(o.common, files);
  std::vector<std::string> pieces;
  for (const int32_t id : trace.ids) {
    pieces.push_back(tokenizer->decode(std::span(&id, 1), false));
  }
  write_file(o.output, trace_page(trace, pieces));
  tell(fmt::format("tessera trace: {} choices of {} tokens in {}", trace.rows.size(),
                   trace.ids.size(), o.output));
  return kDone;
}

}  // namespace

Verb verb_trace() {
  return {
      "trace", "a page that shows what a --context policy chose", [](CLI::App& app) {
        auto o = std::make_shared<TraceVerb>();
        teach(app,
              "  tessera run --context quest:budget=128 --trace t.jsonl --file book.txt \"Who?\"\n"
              "  tessera trace t.jsonl -o trace.html\n"
              "The page needs nothing but a browser.");
        app.add_option("file", o->file, "what run --trace wrote")->type_name("FILE")->required();
        app.add_option("-o,--output", o->output, "page to write")->type_name("FILE")->required();
        add_model(app, o->common);
        add_tokenizer(app, o->common);
        return [o] { return run_trace(*o); };
      }};
}

}  // namespace tessera::cli
