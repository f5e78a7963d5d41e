#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/tessera/session.h"
#include "tessera/base/error.h"

namespace tessera::cli {
namespace {

struct EmbedOptions {
  CommonOptions common;
  std::string text, file;
  bool lines = false;
};

std::vector<std::string> texts_of(const EmbedOptions& o) {
  std::string all = !o.text.empty() && o.file.empty() ? o.text : read_text(o.file);
  if (!o.lines) return {all};
  std::vector<std::string> out;
  for (size_t at = 0; at < all.size();) {
    size_t end = std::min(all.find('\n', at), all.size());
    out.push_back(all.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

int embed(EmbedOptions o) {
  const char* named = std::getenv("TESSERA_MODEL");
  if (o.common.model.empty() && !(named && *named)) o.common.model = "minilm";
  use_threads(o.common);
  const ModelFiles files = open_model(model_reference(o.common));
  const auto tokenizer = tokenizer_of(files);
  const auto network = load_network(files);
  const std::vector<std::string> texts = texts_of(o);
  for (size_t i = 0; i < texts.size(); ++i) {
    const Encoding e = tokenizer->encode(texts[i]);
    const auto longest = static_cast<size_t>(files.description.context);
    if (e.ids.size() > longest) {
      throw Error(fmt::format("text {}", i + 1),
                  fmt::format("has {} tokens, {} sees {}", e.ids.size(), files.reference, longest),
                  "Cut it into shorter texts.");
    }
    const auto vectors = embed_texts(*network, {&e.ids, 1});
    if (o.common.json) {
      fmt::print("{}\n", nlohmann::json{{"embedding", vectors[0]}}.dump());
    } else {
      for (size_t d = 0; d < vectors[0].size(); ++d)
        fmt::print("{}{:.6f}", d ? " " : "", vectors[0][d]);
      fmt::print("\n");
    }
    std::fflush(stdout);
  }
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
            add_model(app, o->common);
            add_threads(app, o->common);
            add_json(app, o->common);
            return [o] { return embed(*o); };
          }};
}

}  // namespace tessera::cli
