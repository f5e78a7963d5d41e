#include <algorithm>
#include <atomic>
#include <chrono>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/tessera/verb.h"
#include "tessera/base/error.h"
#include "tessera/base/pool.h"
#include "tessera/text/corpus.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/model_tokenizer.h"

namespace tessera::cli {
namespace {

struct BenchTokenizerOptions {
  CommonOptions common;
  std::string file;
  int64_t passes = 3;
  bool lines = false;
};

double seconds_of(const auto& work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Documents of a megabyte that end at line ends, as far as there are any; or lines.
std::vector<std::string_view> cut(std::string_view text, bool lines) {
  constexpr size_t kDocument = 1'000'000;
  std::vector<std::string_view> out;
  if (lines) {
    each_line(text, [&out](std::string_view line) { out.push_back(line); });
    return out;
  }
  while (!text.empty()) {
    size_t size = std::min(kDocument, text.size());
    if (size < text.size()) {
      const size_t line = text.rfind('\n', size - 1);
      if (line != std::string_view::npos && line > 0) size = line + 1;
    }
    out.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return out;
}

// Nanoseconds that the text's first 80 bytes take, over and over.
double short_text_ns(const Tokenizer& tokenizer, std::string_view text) {
  constexpr int kTimes = 100'000;
  const std::string_view part = text.substr(0, 80);
  IdBuffer ids;
  const double seconds = seconds_of([&] {
    for (int i = 0; i < kTimes; ++i) {
      ids.clear();
      tokenizer.encode_ids(part, {.add_template = false}, ids);
    }
  });
  return seconds / kTimes * 1e9;
}

// Megabytes a second that come back from the text's ids, on one thread; the best of `passes`.
double decoding_rate(const Tokenizer& tokenizer, std::span<const std::string_view> documents,
                     int64_t passes) {
  std::vector<std::vector<TokenId>> ids;
  IdBuffer found;
  for (const std::string_view document : documents) {
    found.clear();
    tokenizer.encode_ids(document, {.add_template = false}, found);
    ids.emplace_back(found.ids().begin(), found.ids().end());
  }
  double best = 0;
  for (int64_t i = 0; i <= passes; ++i) {
    size_t bytes = 0;
    const double seconds = seconds_of([&] {
      for (const std::vector<TokenId>& one : ids) bytes += tokenizer.decode(one).size();
    });
    best = std::max(best, static_cast<double>(bytes) / 1e6 / seconds);
  }
  return best;
}

int bench(const BenchTokenizerOptions& options) {
  const std::string text = read_text(options.file);
  if (text.empty())
    throw Error(options.file, "is empty", "Name a file with some megabytes of text.");
  const std::string reference =
      options.common.tokenizer.empty() ? model_reference(options.common) : options.common.tokenizer;
  std::shared_ptr<const Tokenizer> tokenizer;
  double load = seconds_of([&] { tokenizer = open_tokenizer(reference); });
  const std::vector<std::string_view> documents = cut(text, options.lines);
  Pool& pool = Pool::instance();
  pool.set_threads(options.common.threads > 0 ? options.common.threads : available_threads());
  std::vector<IdBuffer> ids(static_cast<size_t>(pool.threads()));
  std::atomic<size_t> tokens = 0;
  const auto pass = [&] {
    tokens = 0;
    pool.run([&](int64_t thread, Team& team) {
      IdBuffer& mine = ids[static_cast<size_t>(thread)];
      // Threads take many lines at a time.
      const size_t batch = options.lines ? 1000 : 1;
      size_t count = 0;
      for (size_t at = 0; (at = static_cast<size_t>(team.claim(0)) * batch) < documents.size();) {
        for (size_t i = at; i < std::min(at + batch, documents.size()); ++i) {
          mine.clear();
          tokenizer->encode_ids(documents[i], {.add_template = false}, mine);
          count += mine.size();
        }
      }
      tokens += count;
    });
  };
  double first = seconds_of(pass);
  double best = first;
  for (int64_t i = 0; i < options.passes; ++i) {
    double again = seconds_of(pass);
    best = i == 0 ? again : std::min(best, again);
  }
  const double short_ns = short_text_ns(*tokenizer, text);
  const double decoded = decoding_rate(*tokenizer, documents, options.passes);
  auto rate = [&](double seconds) { return static_cast<double>(text.size()) / 1e6 / seconds; };
  if (options.common.json) {
    fmt::print(
        "{{\"mb_per_s_first\":{:.3f},\"mb_per_s\":{:.3f},\"tokens\":{},\"load_seconds\":{:.4f},"
        "\"short_text_ns\":{:.0f},\"decoded_mb_per_s\":{:.1f}}}\n",
        rate(first), rate(best), tokens.load(), load, short_ns, decoded);
    return kDone;
  }
  fmt::print("{}\n", tokenizer->summary());
  fmt::print("first pass   {:8.1f} MB/s\nlater passes {:8.1f} MB/s (best of {})\n", rate(first),
             rate(best), options.passes);
  const size_t total = tokens;
  fmt::print(
      "decoding     {:8.1f} MB/s (one thread)\n"
      "tokens       {:8} ({:.2f} bytes each)\nloading      {:8.3f} s\n80 bytes     {:8.0f} ns\n",
      decoded, total,
      static_cast<double>(text.size()) / static_cast<double>(std::max<size_t>(total, 1)), load,
      short_ns);
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
            app.add_flag("--lines", options->lines, "each line is a text of its own");
            app.add_option("--passes", options->passes, "passes after the first one [3]")
                ->type_name("N")
                ->check(CLI::Range(1, 1000));
            return [options] { return bench(*options); };
          }};
}

}  // namespace tessera::cli
