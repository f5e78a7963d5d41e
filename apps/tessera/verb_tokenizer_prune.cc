#include <algorithm>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/human.h"
#include "apps/tessera/verb.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/progress.h"
#include "tessera/tokenizer/train/prune.h"

namespace tessera::cli {
namespace {

struct PruneOptions {
  CommonOptions common;
  std::string base, output, map, field = "text";
  std::vector<std::string> with;
  bool lines = false;
  PruneRequest request;
};

// {"old id": new id, ..}, ascending.
std::string map_text(const PrunedTokenizer& made) {
  auto map = nlohmann::ordered_json::object();
  auto& entries = map.get_ref<nlohmann::ordered_json::object_t&>();
  for (size_t old = 0; old < made.ids.size(); ++old) {
    if (made.ids[old] >= 0) entries.emplace_back(std::to_string(old), made.ids[old]);
  }
  return map.dump() + "\n";
}

void report(const PrunedTokenizer& made, const PruneOptions& options) {
  for (const std::string& note : made.notes) tell("tessera tokenizer prune: " + note);
  if (options.common.json) {
    const nlohmann::ordered_json json = {{"output", options.output},
                                         {"before", made.before},
                                         {"after", made.after},
                                         {"merges_before", made.merges_before},
                                         {"merges_after", made.merges_after},
                                         {"bytes", made.bytes},
                                         {"tokens_before", made.tokens_before},
                                         {"tokens_after", made.tokens_after},
                                         {"missed", made.missed},
                                         {"notes", made.notes}};
    put(json.dump() + "\n");
    return;
  }
  put(fmt::format("{}: {} tokens of {}", options.output, grouped(made.after),
                  grouped(made.before)));
  if (made.merges_before > 0) {
    put(fmt::format(", {} merges of {}", grouped(made.merges_after), grouped(made.merges_before)));
  }
  const auto per_byte = [&](int64_t tokens) {
    return fmt::format("{} tokens, {:.4f} a byte", grouped(tokens),
                       static_cast<double>(tokens) / static_cast<double>(made.bytes));
  };
  put(fmt::format("\n  the texts before: {}\n  the texts now:    {}\n",
                  per_byte(made.tokens_before), per_byte(made.tokens_after)));
  if (made.missed.empty()) {
    put("  all of their tokens are the same but for the ids\n");
    return;
  }
  put(fmt::format("  {} tokens that they used are gone, the most used are",
                  grouped(static_cast<int64_t>(made.missed.size()))));
  for (size_t i = 0; i < std::min<size_t>(5, made.missed.size()); ++i) {
    put(fmt::format(" {}", nlohmann::json(made.missed[i]).dump()));
  }
  put("\n");
}

int prune(PruneOptions options) {
  options.request.threads =
      options.common.threads > 0 ? options.common.threads : available_threads();
  if (is_terminal(STDERR_FILENO)) options.request.progress = descriptor_sink(STDERR_FILENO);
  expect_readable_twice(options.with);
  AtomicFile file(options.output);
  std::optional<AtomicFile> map;
  if (!options.map.empty()) map.emplace(options.map);
  TrainingTexts texts(options.with, {.shape = {.field = options.field, .lines = options.lines},
                                     .progress = options.request.progress});
  const PrunedTokenizer made = prune_tokenizer(options.base, texts, options.request);
  file.write(made.json);
  if (map) map->write(map_text(made));
  // The map last: where it is, its vocabulary is.
  file.commit();
  if (map) map->commit();
  report(made, options);
  return kDone;
}

}  // namespace

Verb verb_tokenizer_prune() {
  return {"tokenizer prune", "a vocabulary cut to what given texts need", [](CLI::App& app) {
            auto options = std::make_shared<PruneOptions>();
            teach(app,
                  "  tessera tokenizer prune tokenizer.json --with book.txt --map ids.json -o "
                  "small.json\n\n"
                  "The texts' tokens stay the same but for their ids, unless --size leaves less.");
            add_json(app, options->common);
            add_threads(app, options->common);
            app.add_option("base", options->base, "the tokenizer.json to cut")
                ->type_name("BASE")
                ->required();
            app.add_option("--with", options->with,
                           "texts whose tokens stay: files (also .gz, .zst), folders, .jsonl")
                ->type_name("F|DIR")
                ->required();
            app.add_option("-o,--output", options->output, "the tokenizer.json to write")
                ->type_name("FILE")
                ->required();
            app.add_option("--map", options->map, "writes {\"old id\": new id, ..} of what stays")
                ->type_name("FILE");
            app.add_option("--size", options->request.size,
                           "tokens at most; the least used go [all that the texts need]")
                ->type_name("N")
                ->check(CLI::Range(int64_t{1}, int64_t{10000000}));
            app.add_option("--field", options->field,
                           "the member of .jsonl lines that holds the text [text]")
                ->type_name("NAME");
            app.add_flag("--lines", options->lines,
                         "every line is a text without its end, whatever the files' names");
            return [options] { return prune(*options); };
          }};
}

}  // namespace tessera::cli
