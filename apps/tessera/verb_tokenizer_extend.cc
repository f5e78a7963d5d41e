#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/human.h"
#include "apps/tessera/verb.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/progress.h"
#include "tessera/tokenizer/train/extend.h"

namespace tessera::cli {
namespace {

struct ExtendOptions {
  CommonOptions common;
  std::string base, mode = "continue", output, field = "text";
  std::vector<std::string> with;
  bool lines = false;
  TrainingRequest request;
};

ExtendedTokenizer make(ExtendOptions& options) {
  if (options.mode == "continue") {
    TrainingTexts texts(options.with, {.shape = {.field = options.field, .lines = options.lines},
                                       .progress = options.request.progress});
    return extend_by_texts(options.base, texts, options.request);
  }
  if (options.with.size() != 1) {
    throw WrongCommand("--with", "takes one tokenizer.json in this mode");
  }
  return extend_by_vocabulary(options.base, options.with[0], options.request.vocab_size);
}

int extend(ExtendOptions options) {
  options.request.threads =
      options.common.threads > 0 ? options.common.threads : available_threads();
  if (is_terminal(STDERR_FILENO)) options.request.progress = descriptor_sink(STDERR_FILENO);
  AtomicFile file(options.output);
  const ExtendedTokenizer made = make(options);
  file.write(made.json);
  file.commit();
  for (const std::string& note : made.notes) tell("tessera tokenizer extend: " + note);
  if (options.common.json) {
    const nlohmann::ordered_json json = {{"output", options.output},
                                         {"before", made.before},
                                         {"after", made.after},
                                         {"unreachable", made.unreachable},
                                         {"notes", made.notes}};
    put(json.dump() + "\n");
    return kDone;
  }
  put(fmt::format("{}: {} tokens, {} of them new; all old ids stand for the same bytes\n",
                  options.output, grouped(made.after), grouped(made.after - made.before)));
  if (!made.unreachable.empty()) {
    put(fmt::format("{} new tokens cannot come out of a text, the first is \"{}\"\n",
                    grouped(static_cast<int64_t>(made.unreachable.size())), made.unreachable[0]));
  }
  return kDone;
}

}  // namespace

Verb verb_tokenizer_extend() {
  return {"tokenizer extend", "more tokens for a vocabulary in use, whose old ids stay",
          [](CLI::App& app) {
            auto options = std::make_shared<ExtendOptions>();
            options->request.vocab_size = 0;
            teach(app,
                  "  tessera tokenizer extend tokenizer.json --with turkish.txt --vocab-size 60000 "
                  "-o mine.json");
            add_json(app, options->common);
            add_threads(app, options->common);
            app.add_option("base", options->base, "the tokenizer.json to extend")
                ->type_name("BASE")
                ->required();
            app.add_option("--with", options->with,
                           "texts to learn from (continue), or a tokenizer.json (append, script)")
                ->type_name("F|DIR|-")
                ->required();
            app.add_option(
                   "--mode", options->mode,
                   "continue: goes on merging the base's tokens on texts; append, script: takes "
                   "over the merges of another vocabulary behind the base's [continue]")
                ->type_name("MODE")
                ->check(CLI::IsMember({"continue", "append", "script"}));
            app.add_option("--vocab-size", options->request.vocab_size, "tokens in the end")
                ->type_name("N")
                ->required()
                ->check(CLI::Range(int64_t{1}, int64_t{10000000}));
            app.add_option("-o,--output", options->output, "the tokenizer.json to write")
                ->type_name("FILE")
                ->required();
            app.add_option("--field", options->field,
                           "the member of .jsonl lines that holds the text [text]")
                ->type_name("NAME");
            app.add_flag("--lines", options->lines,
                         "every line is a text without its end, whatever the files' names");
            return [options] { return extend(*options); };
          }};
}

}  // namespace tessera::cli
