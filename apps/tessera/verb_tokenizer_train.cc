#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/human.h"
#include "apps/tessera/spec_flags.h"
#include "apps/tessera/verb.h"
#include "tessera/base/atomic_file.h"
#include "tessera/base/progress.h"
#include "tessera/tokenizer/train/recipes.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera::cli {
namespace {

struct TrainOptions {
  CommonOptions common;
  std::vector<std::string> sources, rates;
  std::string trainer, recipe, output, field = "text", memory;
  bool lines = false;
  TrainingRequest request;
};

// "512M", "2G", "1000000". Throws WrongCommand.
int64_t bytes_of(const std::string& text) {
  size_t used = 0;
  double number = 0;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const std::string unit = text.substr(used);
  const double scale = unit.empty()                 ? 1
                       : unit == "K" || unit == "k" ? 1e3
                       : unit == "M"                ? 1e6
                       : unit == "G"                ? 1e9
                                                    : 0;
  if (used == 0 || scale == 0 || !(number > 0) || number * scale > 1e15) {
    throw WrongCommand("--memory " + text, "is no amount of memory", "Write 500M or 2G.");
  }
  return static_cast<int64_t>(number * scale);
}

void report(const TrainedTokenizer& made, const TrainOptions& options) {
  for (const std::string& note : made.notes) tell("tessera tokenizer train: " + note);
  if (options.common.json) {
    auto figures = nlohmann::ordered_json::object();
    for (const TrainingFigure& figure : made.figures) figures[figure.name] = figure.value;
    const nlohmann::ordered_json json = {{"output", options.output},  {"tokens", made.tokens},
                                         {"bytes", made.bytes},       {"words", made.words},
                                         {"distinct", made.distinct}, {"figures", figures},
                                         {"notes", made.notes}};
    put(json.dump() + "\n");
    return;
  }
  put(fmt::format("{}: {} tokens", options.output, grouped(made.tokens)));
  put(fmt::format(" from {} of text", human_bytes(made.bytes)));
  if (made.words > 0) {
    put(fmt::format(", {} words, {} of them different", grouped(made.words),
                    grouped(made.distinct)));
  }
  put("\n");
  for (const TrainingFigure& figure : made.figures) {
    put(fmt::format("  {}: {}\n", figure.meaning, grouped(std::llround(figure.value))));
  }
}

// --rate SOURCE=NUMBER, in the order of the sources.
std::vector<double> rates_of(const TrainOptions& options) {
  if (options.rates.empty()) return {};
  std::vector<double> out(options.sources.size(), 1.0);
  for (const std::string& text : options.rates) {
    const size_t equals = text.rfind('=');
    const std::string source = text.substr(0, equals);
    const auto found = std::ranges::find(options.sources, source);
    if (equals == std::string::npos || found == options.sources.end()) {
      throw WrongCommand("--rate " + text, "names none of the sources",
                         "Write SOURCE=NUMBER, as in book.txt=0.1.");
    }
    double rate = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, fault] = std::from_chars(text.data() + equals + 1, end, rate);
    if (fault != std::errc() || stop != end || !(rate > 0 && rate <= 1000)) {
      throw WrongCommand("--rate " + text, "is no number above 0 and up to 1000",
                         "0.1 reads a tenth of the texts, 2 counts each twice.");
    }
    out[static_cast<size_t>(found - options.sources.begin())] = rate;
  }
  return out;
}

int train(TrainOptions options) {
  if (!options.recipe.empty()) {
    if (!options.trainer.empty()) throw WrongCommand("--recipe and --model", "exclude each other");
    try {
      options.trainer = recipe_spec(options.recipe, options.request);
    } catch (const Error& error) {
      throw WrongCommand(error);
    }
  }
  if (options.trainer.empty()) options.trainer = guests<Trainer>().front().entry.name;
  check_spec<Trainer>("--model", options.trainer);
  TrainingRequest& request = options.request;
  if (!options.memory.empty()) request.memory = bytes_of(options.memory);
  request.threads = options.common.threads > 0 ? options.common.threads : available_threads();
  if (is_terminal(STDERR_FILENO)) request.progress = descriptor_sink(STDERR_FILENO);
  const auto trainer = make_guest<Trainer>(options.trainer);
  const bool as_model = options.output.ends_with(".model");
  if (!(as_model ? trainer->makes_sentence_piece() : trainer->makes_json())) {
    throw WrongCommand(
        "-o " + options.output,
        options.trainer + (as_model ? " makes no SentencePiece .model"
                                    : " makes nothing that a tokenizer.json can say"),
        as_model ? "Write a .json, or choose another --model." : "Write a .model.");
  }
  // An output that cannot be written is found out before the work.
  AtomicFile file(options.output);
  TrainingTexts texts(options.sources, {.shape = {.field = options.field, .lines = options.lines},
                                        .rates = rates_of(options),
                                        .longest_line = longest_line_within(request.memory),
                                        .progress = request.progress});
  const TrainedTokenizer made = trainer->train(texts, request);
  file.write(as_model ? made.sentence_piece : made.json);
  file.commit();
  report(made, options);
  return kDone;
}

}  // namespace

Verb verb_tokenizer_train() {
  return {
      "tokenizer train", "a new vocabulary, learned from texts", [](CLI::App& app) {
        auto options = std::make_shared<TrainOptions>();
        TrainingRequest& request = options->request;
        teach(
            app,
            "  tessera tokenizer train --vocab-size 8000 -o mine.json book.txt folder texts.jsonl\n"
            "  tessera tokenize -m mine.json \"how is this cut?\"\n\n"
            "`tessera list trainer` shows the models and their options.");
        add_json(app, options->common);
        add_threads(app, options->common);
        app.add_option("--model,--trainer", options->trainer,
                       "what learns: NAME or NAME:key=value,.. [bpe]")
            ->type_name("SPEC");
        app.add_option("--recipe", options->recipe,
                       "domain: a field's tokens, forced ones and a size that is a power of two; "
                       "char: tokens of three bytes at most; options as in char:max-chars=4")
            ->type_name("NAME");
        app.add_option("sources", options->sources,
                       "texts: files (also .gz, .zst), folders, .jsonl, or - for standard input")
            ->type_name("F|DIR|-")
            ->required();
        app.add_option(
               "-o,--output", options->output,
               "the tokenizer.json to write, or, where the model has one, a SentencePiece .model")
            ->type_name("FILE")
            ->required();
        app.add_option("--vocab-size", request.vocab_size,
                       "tokens, special ones and alphabet included [30000]")
            ->type_name("N")
            ->check(CLI::Range(int64_t{1}, int64_t{10000000}));
        app.add_option("--special", request.specials,
                       "a control token such as <|end|>; its id follows the order (repeatable)")
            ->type_name("TOKEN")
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        app.add_option(
               "--pre-tokenizer", request.pre_tokenizer,
               "how texts are cut into words: gpt2, cl100k, o200k, bytes, whitespace, bert, "
               "metaspace, none [the model's own]")
            ->type_name("NAME");
        app.add_option("--pattern", request.pattern,
                       "a regular expression whose matches are the words, read by bytes")
            ->type_name("REGEX");
        app.add_option("--normalizer", request.normaliser,
                       "none, nfc, nfd, nfkc, nfkd, lowercase, bert, bert-cased [the model's own]")
            ->type_name("NAME");
        app.add_option("--field", options->field,
                       "the member of .jsonl lines that holds the text [text]")
            ->type_name("NAME");
        app.add_option("--rate", options->rates,
                       "how often the texts of a source count: 0.1 for a tenth of them, 2 for each "
                       "twice (repeatable) [1]")
            ->type_name("SOURCE=R")
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        app.add_flag("--lines", options->lines,
                     "every line is a text without its end, whatever the files' names");
        app.add_option(
               "--memory", options->memory,
               "what counting may take, such as 1G; more goes to temporary files [no limit]")
            ->type_name("SIZE");
        return [options] { return train(*options); };
      }};
}

}  // namespace tessera::cli
