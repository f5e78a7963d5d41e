// logits_probe REF [f32|f16|bf16] [8bit|mixed] [context=N]: what a network computes, for the parity
// tests. Each line of standard input is a JSON object {"ids": [..], "cuts": [..], "want":
// "logits"|"hidden"|"pooled"}: the ids are given to the network in pieces that end at the cuts
// (none: all at once). The answer is an int64 count and as many floats, rows of all ids, or one
// vector for "pooled". The optional arguments set the type of the cache, coarser activations and
// the longest text.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/files/model.h"
#include "tessera/network/engine.h"
#include "tessera/network/language_model.h"

namespace {

using Ids = std::vector<int32_t>;

// Rows of all ids.   logits ? [ids, vocabulary] : [ids, width]
std::vector<float> rows(tessera::Network& network, const Ids& ids, std::vector<int64_t> cuts,
                        bool logits) {
  const tessera::ModelDescription& d = network.description();
  const auto row = static_cast<size_t>(logits ? d.vocabulary : d.width);
  const auto width = static_cast<size_t>(d.embedding_width);
  std::vector<float> vectors(ids.size() * width), out(ids.size() * row);
  network.embed(ids, vectors);
  std::unique_ptr<tessera::Past> past = d.decoder ? network.new_past() : nullptr;
  cuts.push_back(static_cast<int64_t>(ids.size()));
  size_t begin = 0;
  for (int64_t cut : cuts) {
    const auto end = static_cast<size_t>(cut);
    tessera::Segment s;
    s.past = past.get();
    s.vectors = std::span(vectors).subspan(begin * width, (end - begin) * width);
    s.count = s.wanted = static_cast<int64_t>(end - begin);
    (logits ? s.logits : s.hidden) = std::span(out).subspan(begin * row, (end - begin) * row);
    network.forward({&s, 1});
    begin = end;
  }
  return out;
}

void write(const std::vector<float>& values) {
  const auto count = static_cast<int64_t>(values.size());
  std::fwrite(&count, sizeof count, 1, stdout);
  std::fwrite(values.data(), sizeof(float), values.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) return 2;
  tessera::EngineOptions options;
  options.activations = tessera::ActivationBits::fifteen;
  for (int i = 2; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "f32") options.cache = tessera::CacheChoice::f32;
    if (option == "f16") options.cache = tessera::CacheChoice::f16;
    if (option == "bf16") options.cache = tessera::CacheChoice::bf16;
    if (option.starts_with("context=")) options.context = std::stoll(option.substr(8));
    if (option == "8bit") options.activations = tessera::ActivationBits::eight;
    if (option == "mixed") options.activations = tessera::ActivationBits::mixed;
  }
  const tessera::ModelFiles model = tessera::open_model(argv[1]);
  const std::unique_ptr<tessera::Network> network = tessera::load_network(model, options);
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto in = nlohmann::json::parse(line);
    const auto ids = in.at("ids").get<Ids>();
    const std::string want = in.value("want", "logits");
    if (want == "pooled") {
      write(tessera::embed_texts(*network, {&ids, 1}).front());
    } else {
      write(rows(*network, ids, in.value("cuts", std::vector<int64_t>()), want == "logits"));
    }
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
