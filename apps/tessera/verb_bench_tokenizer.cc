#include <algorithm>
#include <chrono>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/tessera/tokenizer_source.h"
#include "apps/tessera/verb.h"
#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/tokenizer/id_buffer.h"

namespace tessera::cli {
namespace {

struct BenchTokenizerOptions {
  CommonOptions common;
  std::string file;
  int64_t passes = 3;
};

double seconds_of(const auto& work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int bench(const BenchTokenizerOptions& options) {
  MappedFile file(options.file);
  std::string text(file.text());
  if (text.empty())
    throw Error(options.file, "is empty", "Name a file with some megabytes of text.");
  const std::string reference =
      options.common.tokenizer.empty() ? model_reference(options.common) : options.common.tokenizer;
  std::shared_ptr<const Tokenizer> tokenizer;
  double load = seconds_of([&] { tokenizer = open_tokenizer(reference); });
  size_t tokens = 0;
  IdBuffer ids;
  auto pass = [&] {
    ids.clear();
    tokenizer->encode_ids(text, {.add_template = false}, ids);
    tokens = ids.size();
  };
  double first = seconds_of(pass);
  double best = first;
  for (int64_t i = 0; i < options.passes; ++i) {
    double again = seconds_of(pass);
    best = i == 0 ? again : std::min(best, again);
  }
  auto rate = [&](double seconds) { return static_cast<double>(text.size()) / 1e6 / seconds; };
  if (options.common.json) {
    fmt::print(
        "{{\"mb_per_s_first\":{:.3f},\"mb_per_s\":{:.3f},\"tokens\":{},\"load_seconds\":{:.4f}}}\n",
        rate(first), rate(best), tokens, load);
    return kDone;
  }
  fmt::print("{}\n", tokenizer->summary());
  fmt::print("first pass   {:8.1f} MB/s\nlater passes {:8.1f} MB/s (best of {})\n", rate(first),
             rate(best), options.passes);
  fmt::print("tokens       {:8} ({:.2f} bytes each)\nloading      {:8.3f} s\n", tokens,
             static_cast<double>(text.size()) / static_cast<double>(std::max<size_t>(tokens, 1)),
             load);
  return kDone;
}

}  // namespace

Verb verb_bench_tokenizer() {
  return {"bench tokenizer", "how fast a tokenizer encodes a file", [](CLI::App& app) {
            auto options = std::make_shared<BenchTokenizerOptions>();
            teach(app, "  tessera bench tokenizer --file book.txt");
            add_reference(app, options->common);
            add_tokenizer(app, options->common);
            add_threads(app, options->common);
            add_json(app, options->common);
            app.add_option("--file", options->file, "text to encode; reading it is not timed")
                ->type_name("F")
                ->required();
            app.add_option("--passes", options->passes, "passes after the first one [3]")
                ->type_name("N")
                ->check(CLI::Range(1, 1000));
            return [options] { return bench(*options); };
          }};
}

}  // namespace tessera::cli
