#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/tessera/session.h"
#include "tessera/base/error.h"
#include "tessera/network/text_group.h"
#include "tessera/text/corpus.h"

namespace tessera::cli {
namespace {

struct EmbedOptions {
  CommonOptions common;
  std::optional<std::string> text;
  std::string file;
  bool lines = false, truncate = false, special_in_text = false;
};

std::vector<std::string> texts_of(const EmbedOptions& o) {
  const std::string all = o.text ? *o.text : read_text(o.file.empty() ? "-" : o.file);
  if (!o.lines) return {all};
  std::vector<std::string> out;
  each_line(all, [&](std::string_view line) { out.emplace_back(line); });
  return out;
}

int embed(EmbedOptions o) {
  if (o.text && !o.file.empty()) {
    throw WrongCommand("tessera embed", "a text and --file exclude each other");
  }
  const char* named = std::getenv("TESSERA_MODEL");
  if (o.common.model.empty() && !(named && *named)) o.common.model = "minilm";
  const std::vector<std::string> texts = texts_of(o);
  use_threads(o.common);
  const ModelFiles files = open_files(o.common);
  const auto tokenizer = tokenizer_for(o.common, files);
  const auto network = network_for(o.common, files);
  const int64_t context = network->description().context;
  const int64_t longest = files.longest_text > 0 ? std::min(files.longest_text, context) : context;
  EncodeOptions encode;
  encode.special_in_text = o.special_in_text;
  if (o.truncate) encode.longest = longest;
  TextGroup group;
  const auto flush = [&] {
    for (const std::vector<float>& vector : embed_texts(*network, group.texts())) {
      put_now(o.common.json ? nlohmann::json{{"embedding", vector}}.dump() + "\n"
                            : fmt::format("{:.6f}\n", fmt::join(vector, " ")));
    }
    group.clear();
  };
  for (size_t i = 0; i < texts.size(); ++i) {
    Encoding e = tokenizer->encode(texts[i], encode);
    if (static_cast<int64_t>(e.ids.size()) > longest) {
      flush();
      throw Error(fmt::format("text {}", i + 1),
                  fmt::format("has {} tokens; {} takes {}", e.ids.size(), files.reference, longest),
                  "Cut it into shorter texts, or give --truncate to use its beginning.");
    }
    group.add(std::move(e.ids));
    if (group.full()) flush();
  }
  flush();
  return kDone;
}

}  // namespace

Verb verb_embed() {
  return {"embed", "the vector of a text, from an encoder", [](CLI::App& app) {
            auto o = std::make_shared<EmbedOptions>();
            teach(app,
                  "  tessera embed --json \"The cat sat on the mat.\"\n"
                  "Pooled and normalised as the model's folder says. Default model: minilm.");
            app.add_option("text", o->text, "the text [standard input]")->type_name("TEXT");
            app.add_option("--file", o->file, "read the text from a file, - for standard input")
                ->type_name("FILE");
            app.add_flag("--lines", o->lines, "each input line is a text of its own");
            app.add_flag("--truncate", o->truncate, "use the beginning of a text that is too long");
            app.add_flag("--special-in-text", o->special_in_text,
                         "control tokens in the text become control tokens");
            add_model(app, o->common);
            add_tokenizer(app, o->common);
            add_ctx(app, o->common);
            add_precise(app, o->common);
            add_device(app, o->common);
            add_threads(app, o->common);
            add_json(app, o->common);
            return [o] { return embed(*o); };
          }};
}

}  // namespace tessera::cli
