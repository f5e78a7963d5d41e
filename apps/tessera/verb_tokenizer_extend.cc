#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/human.h"
#include "apps/tessera/verb.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/progress.h"
#include "tessera/tokenizer/open_tokenizer.h"
#include "tessera/tokenizer/train/extend.h"
#include "tessera/tokenizer/train/extend_model.h"

namespace tessera::cli {
namespace {

struct ExtendOptions {
  CommonOptions common;
  std::string base, mode = "continue", output, field = "text";
  std::vector<std::string> with;
  bool lines = false;
  double share = 0.5;
  TrainingRequest request;
};

ExtendedTokenizer make(ExtendOptions& options) {
  const bool model = is_sentence_piece_file(options.base);
  if (model != options.output.ends_with(".model")) {
    throw WrongCommand(
        "-o " + options.output,
        model ? "the base is a SentencePiece model, and what comes of it is one, too"
              : "the base is no SentencePiece model, and what comes of it is none either",
        model ? "Name a .model; `tessera tokenizer convert` writes it as a .json or .gguf then."
              : "Name a .json; `tessera tokenizer convert` writes it in other formats then.");
  }
  if (options.mode == "continue") {
    TrainingTexts texts(options.with, {.shape = {.field = options.field, .lines = options.lines},
                                       .progress = options.request.progress});
    return model ? extend_model_by_texts(options.base, texts, options.request)
                 : extend_by_texts(options.base, texts, options.request);
  }
  if (options.with.size() != 1) {
    throw WrongCommand("--with", "takes one vocabulary in this mode");
  }
  const int64_t size = options.request.vocab_size;
  const AddedScores scores = options.mode == "script" ? AddedScores::own : AddedScores::behind;
  const auto extended = model ? extend_model_by_model : extend_by_vocabulary;
  return extended(options.base, options.with[0], size, scores, options.share);
}

int extend(ExtendOptions options) {
  options.request.threads =
      options.common.threads > 0 ? options.common.threads : available_threads();
  if (is_terminal(STDERR_FILENO)) options.request.progress = descriptor_sink(STDERR_FILENO);
  AtomicFile file(options.output);
  const ExtendedTokenizer made = make(options);
  file.write(made.file);
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
            app.add_option("base", options->base,
                           "the tokenizer.json or SentencePiece .model to extend")
                ->type_name("BASE")
                ->required();
            app.add_option("--with", options->with,
                           "texts to learn from (continue), or a vocabulary of the same format "
                           "(append, script)")
                ->type_name("F|DIR|-")
                ->required();
            app.add_option(
                   "--mode", options->mode,
                   "continue: goes on merging the base's tokens on texts; append: takes over the "
                   "merges or tokens of another vocabulary behind the base's; script: the same, "
                   "but pieces with scores keep them, so that old texts are cut otherwise, too "
                   "[continue]")
                ->type_name("MODE")
                ->check(CLI::IsMember({"continue", "append", "script"}));
            app.add_option("--vocab-size", options->request.vocab_size, "tokens in the end")
                ->type_name("N")
                ->required()
                ->check(CLI::Range(int64_t{1}, int64_t{10000000}));
            app.add_option("-o,--output", options->output,
                           "the file to write, of the base's format")
                ->type_name("FILE")
                ->required();
            app.add_option("--share", options->share,
                           "of a Unigram vocabulary's probability, what append gives to the new "
                           "pieces: how much of your text is in the new language [0.5]")
                ->type_name("S")
                ->check(CLI::Range(0.0001, 0.9999));
            app.add_option("--field", options->field,
                           "the member of .jsonl lines that holds the text [text]")
                ->type_name("NAME");
            app.add_flag("--lines", options->lines,
                         "every line is a text without its end, whatever the files' names");
            return [options] { return extend(*options); };
          }};
}

}  // namespace tessera::cli
