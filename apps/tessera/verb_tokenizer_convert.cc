#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/tessera/number_checks.h"
#include "apps/tessera/verb.h"
#include "tessera/tokenizer/convert.h"
#include "tessera/tokenizer/model_tokenizer.h"

namespace tessera::cli {
namespace {

struct ConvertOptions {
  CommonOptions common;
  std::string from, output;
  ConversionOptions conversion;
};

int convert(const ConvertOptions& options) {
  const PortableFormat& format = format_of(options.output);
  std::string path = resolve_model(options.from);
  const auto tokenizer = open_tokenizer(path, options.conversion.ranks);
  if (std::filesystem::is_directory(path)) path += "/tokenizer.json";
  const std::string lost = convert_tokenizer(path, *tokenizer, options.output, options.conversion);
  if (options.common.json) {
    put(fmt::format("{{\"tokens\":{},\"probes\":{}}}\n", tokenizer->vocabulary().size(),
                    options.conversion.probes));
  } else {
    put(fmt::format("{}: {}; {} texts have the same ids and the same bytes back\n", options.output,
                    tokenizer->summary(), options.conversion.probes));
  }
  if (!lost.empty()) tell(fmt::format("A file of {} does not hold {}.", format.name, lost));
  return kDone;
}

}  // namespace

Verb verb_tokenizer_convert() {
  return {"tokenizer convert", "a vocabulary in another format, if that can express it",
          [](CLI::App& app) {
            auto options = std::make_shared<ConvertOptions>();
            teach(app, "  tessera tokenizer convert model.gguf -o tokenizer.json");
            add_json(app, options->common);
            app.add_option("from", options->from, "a tokenizer file, or a model")
                ->type_name("A")
                ->required();
            app.add_option(
                   "-o,--output", options->output,
                   "the file to write; its end names the format: .json, .gguf, .model, .tiktoken")
                ->type_name("B")
                ->required();
            app.add_option("--encoding", options->conversion.ranks.encoding,
                           "which encoding a tiktoken rank file is [by its content]")
                ->type_name("NAME");
            app.add_option("--pattern", options->conversion.ranks.pattern,
                           "how a tiktoken rank file cuts text, instead")
                ->type_name("REGEX");
            app.add_option("--probes", options->conversion.probes,
                           "random texts of which ids and bytes must agree [20000]")
                ->type_name("N")
                ->check(above_zero());
            app.add_flag("--without-normaliser", options->conversion.without_normaliser,
                         "write a format that cannot bring texts to NFC all the same; the texts "
                         "compared are NFC then");
            return [options] { return convert(*options); };
          }};
}

}  // namespace tessera::cli
