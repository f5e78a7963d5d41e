#include <algorithm>
#include <cmath>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/tessera/human.h"
#include "apps/tessera/verb.h"
#include "tessera/base/atomic_file.h"
#include "tessera/eval/markov_source.h"
#include "tessera/eval/repro_texts.h"
#include "tessera/eval/text_models.h"
#include "tessera/text/corpus.h"
#include "tessera/tokenizer/model_tokenizer.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct BenchEntropyOptions {
  CommonOptions common;
  std::vector<std::string> tokenizers;
  std::string source, corpus, sample;
  int64_t letters = 400000, order = 5;
};

// What tokens are counted on and measured on, and what the best model reaches where that is known.
struct Measure {
  ReproTexts texts;
  std::optional<double> rate, letters;
};

Measure measure_of(const BenchEntropyOptions& o) {
  Measure out;
  if (o.source.empty() == o.corpus.empty()) {
    throw WrongCommand("bench entropy", "needs either --source or --corpus");
  }
  if (!o.corpus.empty()) {
    if (!o.sample.empty()) throw WrongCommand("--sample", "is of a source, and --corpus is none");
    // Two lines held out; the figures are noisy then, which is said.
    out.texts = repro_texts(
        {o.corpus}, {.training = 40000, .held_out = 5000, .distinct = true, .least = 18}, "en-us");
    return out;
  }
  const MarkovSource source = o.source.ends_with(".json")
                                  ? MarkovSource::parse(read_text(o.source), o.source)
                                  : markov_source(o.source);
  const auto size = static_cast<size_t>(o.letters);
  out.texts.training = {source.sample(size, 1)};
  out.texts.held_out = {source.sample(std::max<size_t>(size / 2, 1), 2)};
  out.rate = source.entropy_rate();
  out.letters = source.letter_entropy();
  if (!o.sample.empty()) write_file(o.sample, out.texts.training.front() + "\n");
  return out;
}

bool comes_back(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  constexpr size_t kMost = 1000;
  for (size_t i = 0; i < texts.size() && i < kMost; ++i) {
    const auto ids = tokenizer.encode(texts[i], {.add_template = false}).ids;
    if (tokenizer.decode(ids) != texts[i]) return false;
  }
  return true;
}

int bench_entropy(const BenchEntropyOptions& o) {
  std::vector<std::shared_ptr<const Tokenizer>> opened;
  for (const std::string& ref : o.tokenizers) opened.push_back(open_tokenizer(ref));
  const Measure m = measure_of(o);
  const auto characters = static_cast<double>(characters_of(m.texts.held_out));
  double best = m.rate.value_or(INFINITY);
  Json models = Json::array();
  std::string table;
  const auto row = [&](const std::string& name, const std::string& numbers) {
    table += fmt::format("{:<28}{}\n", name, numbers);
  };
  for (size_t n = 1; n <= static_cast<size_t>(o.order); ++n) {
    CharacterModel model(n);
    for (const std::string& text : m.texts.training) model.learn(text);
    double nats = 0;
    for (const std::string& text : m.texts.held_out) nats += model.loss(text);
    models.push_back(
        {{"order", n}, {"contexts", model.contexts()}, {"nats_per_character", nats / characters}});
    if (!m.rate) best = std::min(best, nats / characters);
    row(fmt::format("characters, order {}", n),
        fmt::format("{:>10.4f}{:>54} contexts", nats / characters,
                    grouped(static_cast<int64_t>(model.contexts()))));
  }
  if (m.rate) row("entropy rate", fmt::format("{:>10.4f}", *m.rate));
  if (!opened.empty()) {
    table +=
        fmt::format("\n{:<28}{:>10}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}\n", "nats a character", "tokens",
                    "pairs", m.rate ? "/ rate" : "/ best", "entries", "chars", "unused", "heavy");
  }
  Json tokenizers = Json::array();
  bool noisy = false, any_lossy = false;
  for (size_t i = 0; i < opened.size(); ++i) {
    const TokenLoss loss = token_loss(*opened[i], m.texts.training, m.texts.held_out);
    noisy = noisy || loss.tokens < 1000;
    const bool lossy = !comes_back(*opened[i], m.texts.held_out);
    any_lossy = any_lossy || lossy;
    tokenizers.push_back({{"name", o.tokenizers[i]},
                          {"nats_per_character", loss.unigram},
                          {"nats_per_character_pairs", loss.bigram},
                          {"ratio", loss.unigram / best},
                          {"entries", loss.entries},
                          {"tokens", loss.tokens},
                          {"characters_per_token", loss.characters_per_token},
                          {"unused", loss.unused},
                          {"heaviest", loss.heaviest},
                          {"lossless", !lossy}});
    const std::string& ref = o.tokenizers[i];
    row(ref.size() > 27 ? ".." + ref.substr(ref.size() - 25) : ref,
        fmt::format("{:>10.4f}{:>10.4f}{:>9.3f}{:>9}{:>9.2f}{:>7.1f} %{:>9.1f}{}", loss.unigram,
                    loss.bigram, loss.unigram / best, loss.entries, loss.characters_per_token,
                    100 * loss.unused, loss.heaviest, lossy ? " *" : ""));
  }
  if (any_lossy) table += "* does not give the text back: what it leaves out costs it nothing\n";
  if (noisy) tell("tessera bench entropy: a text of fewer than 1,000 tokens gives noisy figures.");
  if (!o.common.json) {
    put(table);
    return kDone;
  }
  const Json json = {{"entropy_rate", m.rate ? Json(*m.rate) : Json(nullptr)},
                     {"letter_entropy", m.letters ? Json(*m.letters) : Json(nullptr)},
                     {"characters", models},
                     {"tokenizers", tokenizers}};
  put(json.dump() + "\n");
  return kDone;
}

}  // namespace

Verb verb_bench_entropy() {
  return {
      "bench entropy", "how near single tokens come to the entropy of a source or a text",
      [](CLI::App& app) {
        auto options = std::make_shared<BenchEntropyOptions>();
        teach(app,
              "  tessera bench entropy --source switching:p=0.9 --sample s.txt\n"
              "  tessera tokenizer train --lines --pre-tokenizer bytes --vocab-size 300 -o t.json "
              "s.txt\n"
              "  tessera bench entropy t.json --source switching:p=0.9");
        add_json(app, options->common);
        app.add_option("tokenizers", options->tokenizers, "tokenizer files, or models")
            ->type_name("REF..");
        app.add_option("--source", options->source,
                       "a text of known entropy: switching:order=2,p=0.8,q=0.8, or a kernel.json")
            ->type_name("SPEC|FILE");
        app.add_option("--corpus", options->corpus,
                       "texts to measure on instead: different lines, of which one in nine is "
                       "held out")
            ->type_name("F|DIR");
        app.add_option("--sample", options->sample,
                       "a file to write what is learned from, for training on it")
            ->type_name("FILE");
        app.add_option("--letters", options->letters,
                       "of the source to learn from; half as many to measure on [400000]")
            ->type_name("N")
            ->check(CLI::Range(int64_t{1000}, int64_t{100000000}));
        app.add_option("--order", options->order,
                       "models of characters up to this order stand beside [5]")
            ->type_name("N")
            ->check(CLI::Range(int64_t{0}, int64_t{8}));
        return [options] { return bench_entropy(*options); };
      }};
}

}  // namespace tessera::cli
