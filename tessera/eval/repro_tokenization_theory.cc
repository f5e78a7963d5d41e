#include "tessera/eval/repro_tokenization_theory.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/random.h"
#include "tessera/eval/markov_source.h"
#include "tessera/eval/repro_texts.h"
#include "tessera/eval/text_models.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/train/fewest_dictionary.h"
#include "tessera/tokenizer/train/greedy_dictionary.h"

namespace tessera {
namespace {

using Lines = std::vector<std::string>;

constexpr size_t kLearned = 400000, kMeasured = 200000;
constexpr int64_t kSizes[] = {4, 10, 16, 32, 64, 128, 256, 512};
constexpr ReproTextsShape kShape{
    .training = 24500, .held_out = 3000, .distinct = true, .shortest = 40};

struct Bench {
  const ReproRequest& request;
  ReproResult& out;

  TokenLoss measure(const std::string& chart, const std::string& name, int64_t size,
                    const Tokenizer& tokenizer, const Lines& training, const Lines& test) {
    const TokenLoss loss = token_loss(tokenizer, training, test);
    const std::string full = fmt::format("{}: {}, {}", chart, name, size);
    const auto put = [&](const char* what, double value) {
      out.figures.push_back({full, what, value, value, value, loss.tokens});
    };
    put("single tokens, nats a character", loss.unigram);
    put("pairs of tokens, nats a character", loss.bigram);
    put("characters a token", loss.characters_per_token);
    put("share of the dictionary not used", loss.unused);
    put("heaviest token that none goes on, times the size", loss.heaviest);
    point(chart, name, static_cast<double>(size), loss.unigram);
    return loss;
  }
  void point(const std::string& chart, const std::string& name, double x, double y) {
    const auto it = std::find_if(out.curves.begin(), out.curves.end(), [&](const ReproCurve& c) {
      return c.chart == chart && c.name == name;
    });
    if (it == out.curves.end()) {
      out.curves.push_back({chart, name, {{x, y}}});
    } else {
      it->points.emplace_back(x, y);
    }
  }
  // A value that no size changes.
  void level(const std::string& chart, const std::string& name, double value, double from,
             double to) {
    out.figures.push_back({chart + ": " + name, "nats a character", value, value, value, 0});
    out.curves.push_back({chart, name, {{from, value}, {to, value}}});
  }
};

// Longest matches over these strings and single bytes.
std::shared_ptr<const Tokenizer> greedy_over(const std::set<std::string>& strings) {
  std::vector<std::string> tokens = single_bytes();
  for (const std::string& s : strings) {
    if (s.size() > 1) tokens.push_back(s);
  }
  TrainingRequest asked;
  asked.vocab_size = static_cast<int64_t>(tokens.size()) + 1;
  const TrainingRequest request = greedy_request(asked, "[UNK]");
  TextSample sample;
  return parse_tokenizer_json(greedy_text(tokens, byte_cutting(request), request, "[UNK]", sample),
                              "longest matches");
}

// As few tokens as can be of these strings.
std::shared_ptr<const Tokenizer> fewest_over(const std::set<std::string>& strings) {
  // Ordinals of equally many tokens: shorter strings are better known.
  std::vector<std::string> tokens(strings.begin(), strings.end());
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const auto& a, const auto& b) { return a.size() < b.size(); });
  TextSample sample;
  return parse_tokenizer_json(fewest_text(tokens, greedy_request({}, "[UNK]"), "[UNK]", sample),
                              "fewest tokens");
}

std::set<std::string> strings_of(const Tokenizer& tokenizer, std::string_view letters) {
  std::set<std::string> out;
  for (TokenId id = 0; id < tokenizer.vocabulary().size(); ++id) {
    const std::string bytes(tokenizer.vocabulary().bytes(id));
    if (!bytes.empty() &&
        (letters.empty() || bytes.find_first_not_of(letters) == std::string::npos)) {
      out.insert(bytes);
    }
  }
  return out;
}

struct SourceResult {
  double rate = 0, letters = 0;
  std::map<std::string, std::map<int64_t, double>> loss;  // by name and size
  double least = INFINITY;                                // of all losses
};

SourceResult measure_source(const std::string& chart, const MarkovSource& source, bool all,
                            Bench& bench) {
  SourceResult out;
  out.rate = source.entropy_rate();
  out.letters = source.letter_entropy();
  const Lines training = {source.sample(kLearned, 1)}, test = {source.sample(kMeasured, 2)};
  const ReproLines file(training);
  bench.level(chart, "entropy rate", out.rate, 4, 512);
  bench.level(chart, "single letters", out.letters, 4, 512);
  const auto take = [&](const std::string& name, int64_t size, const Tokenizer& tokenizer) {
    const double loss = bench.measure(chart, name, size, tokenizer, training, test).unigram;
    out.loss[name][size] = loss;
    out.least = std::min(out.least, loss);
  };
  for (const int64_t d : kSizes) {
    // All 256 bytes are tokens, of which the source uses two; some files want a name beside them.
    const int64_t size = 254 + d;
    const auto pairs = trained_for_repro(file, bench.request, "bpe", size, "bytes");
    take("byte pairs", d, *pairs);
    if (!all) continue;
    take("byte pairs, longest match", d, *greedy_over(strings_of(*pairs, "ab")));
    take("byte pairs, fewest tokens", d, *fewest_over(strings_of(*pairs, "ab")));
    take("byte pairs in sequence", d,
         *trained_for_repro(file, bench.request, "seq-bpe", size, "bytes"));
    take("LZW", d, *trained_for_repro(file, bench.request, "lzw", size + 1));
    const auto length = std::llround(std::log2(static_cast<double>(d)));
    if (int64_t{1} << length == d) {
      take(
          "blocks", d,
          *trained_for_repro(file, bench.request, fmt::format("block:length={}", length), 257 + d));
    }
  }
  return out;
}

void claim_source(const SourceResult& r, ReproResult& out) {
  const auto at = [&](const char* name, int64_t d) { return r.loss.at(name).at(d); };
  const auto over = [&](double loss) { return 100 * (loss / r.rate - 1); };
  const double bpe = at("byte pairs", 512), lzw = at("LZW", 512), block = at("blocks", 512);
  out.claims.push_back(
      {"single tokens come near the entropy rate, which single letters never do",
       "theorems for blocks, LZW and sequential BPE; expected at 512 tokens: byte pairs within 6 "
       "%, LZW 13 %, blocks 10 %; letters 38.5 % above",
       fmt::format("byte pairs {:.1f} %, LZW {:.1f} %, blocks {:.1f} %; letters {:.1f} % above",
                   over(bpe), over(lzw), over(block), over(r.letters)),
       verdict_of(over(bpe) <= 6 && over(lzw) <= 13 && over(block) <= 10 && over(r.letters) > 38)});
  const double sequential = at("byte pairs in sequence", 512);
  out.claims.push_back({"sequential BPE is within about twice the entropy rate",
                        "(2 + e) times the entropy rate",
                        fmt::format("{:.2f} times at 512 tokens", sequential / r.rate),
                        verdict_of(sequential <= 2 * r.rate)});
  out.claims.push_back({"LZW and blocks come nearer from 32 to 512 tokens",
                        "gap about 1 / log of the size",
                        fmt::format("LZW {:.4f} to {:.4f}, blocks {:.4f} to {:.4f}", at("LZW", 32),
                                    lzw, at("blocks", 32), block),
                        verdict_of(at("LZW", 32) > lzw && at("blocks", 32) > block)});
  const double greedy = at("byte pairs, longest match", 512);
  out.claims.push_back(
      {"the way to encode matters as much as the dictionary: merges in order against longest match",
       "there are dictionaries that one way serves and another one does not; expected 0.5202 "
       "against 0.5446",
       fmt::format("{:.4f} against {:.4f}", bpe, greedy), verdict_of(greedy - bpe >= 0.015)});
}

// A source of 2 to 4 letters and order 1 to 3 whose chances are drawn.
MarkovSource drawn_source(Random& random) {
  const size_t letters = 2 + random.below(3), order = 1 + random.below(3);
  std::vector<double> rows;
  for (double contexts = std::pow(letters, order); contexts > 0.5; --contexts) {
    const size_t begin = rows.size();
    double sum = 0;
    for (size_t i = 0; i < letters; ++i) sum += rows.emplace_back(0.02 + random.uniform());
    for (size_t i = begin; i < rows.size(); ++i) rows[i] /= sum;
  }
  return {letters, order, std::move(rows)};
}

// The conditional entropy of a text's letters, by counts, in nats.
double entropy_behind(const std::string& text, size_t order, size_t letters) {
  std::vector<double> counts(static_cast<size_t>(std::pow(letters, order + 1)));
  size_t code = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    code = (code * letters + static_cast<size_t>(text[i] - 'a')) % counts.size();
    if (i >= order) ++counts[code];
  }
  double nats = 0;
  for (size_t context = 0; context < counts.size(); context += letters) {
    double all = 0;
    for (size_t a = 0; a < letters; ++a) all += counts[context + a];
    for (size_t a = 0; a < letters; ++a) {
      if (const double n = counts[context + a]; n > 0) nats -= n * std::log(n / all);
    }
  }
  return nats / static_cast<double>(text.size());
}

void claim_rates(ReproResult& out) {
  constexpr int kSources = 20;
  constexpr size_t kLong = 1000000;
  Random random(3);
  double of_text = 0, of_model = 0;
  for (int i = 0; i < kSources; ++i) {
    const MarkovSource source = drawn_source(random);
    const std::string text = source.sample(kLong, 1), other = source.sample(kMeasured, 2);
    const double rate = source.entropy_rate();
    of_text =
        std::max(of_text, std::abs(entropy_behind(text, source.order(), source.letters()) - rate));
    CharacterModel model(source.order() + 1);
    model.learn(text);
    of_model =
        std::max(of_model, std::abs(model.loss(other) / static_cast<double>(other.size()) - rate));
  }
  out.claims.push_back(
      {"the entropy rate that is computed is that of a million letters and of a model of their "
       "order (20 drawn sources)",
       "by definition; within 0.005",
       fmt::format("at most {:.4f} and {:.4f} away", of_text, of_model),
       verdict_of(of_text <= 0.005 && of_model <= 0.005)});
}

// Strings of the same lengths as `like`: parts of the lines, or random characters of them.
std::set<std::string> null_strings(const std::set<std::string>& like, const Lines& lines,
                                   bool substrings) {
  Random random(7);
  const auto character = [&] {
    while (true) {
      const std::string& line = lines[random.below(lines.size())];
      size_t at = random.below(line.size());
      while (at > 0 && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) --at;
      return line.substr(at, unit_at(line, at).length);
    }
  };
  std::set<std::string> out;
  for (const std::string& s : like) {
    const auto wanted = static_cast<size_t>(characters_of(std::string_view(s)));
    constexpr int kTries = 20;
    for (int attempt = 0; attempt < kTries; ++attempt) {
      std::string text;
      if (substrings) {
        const std::string& line = lines[random.below(lines.size())];
        size_t at = random.below(line.size());
        while (at > 0 && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) --at;
        size_t end = at;
        for (size_t i = 0; i < wanted && end < line.size(); ++i) end += unit_at(line, end).length;
        text = line.substr(at, end - at);
      } else {
        for (size_t i = 0; i < wanted; ++i) text += character();
      }
      if (out.insert(text).second) break;
    }
  }
  return out;
}

void measure_texts(const ReproTexts& texts, Bench& bench) {
  const std::string chart = "the texts";
  const auto characters = static_cast<double>(characters_of(texts.held_out));
  double grams[6] = {};
  for (size_t n = 1; n <= 5; ++n) {
    CharacterModel model(n);
    for (const std::string& line : texts.training) model.learn(line);
    double nats = 0;
    for (const std::string& line : texts.held_out) nats += model.loss(line);
    grams[n] = nats / characters;
    bench.level(chart, fmt::format("characters, order {}", n), grams[n], 500, 16000);
    bench.out.figures.push_back({fmt::format("{}: characters, order {}", chart, n), "contexts",
                                 static_cast<double>(model.contexts()), 0, 0, 0});
  }
  const ReproLines file(texts.training);
  std::map<int64_t, double> pairs;
  double substrings = 0, random = 0;
  for (const int64_t d : {500, 1000, 2000, 4000, 8000, 16000}) {
    const auto bpe = trained_for_repro(file, bench.request, "sp-bpe", d);
    pairs[d] = bench.measure(chart, "byte pairs", d, *bpe, texts.training, texts.held_out).unigram;
    bench.measure(chart, "Unigram", d, *trained_for_repro(file, bench.request, "sp-unigram", d),
                  texts.training, texts.held_out);
    // With spaces as marks of their own letter, so that it too has to tell where they stand.
    bench.measure(chart, "WordPiece, longest match", d,
                  *trained_for_repro(file, bench.request, "wordpiece", d, "metaspace"),
                  texts.training, texts.held_out);
    bench.measure(chart, "LZW", d, *trained_for_repro(file, bench.request, "lzw", d),
                  texts.training, texts.held_out);
    if (d != 1000 && d != 4000) continue;
    const std::set<std::string> like = strings_of(*bpe, "");
    substrings = bench
                     .measure(chart, "random parts, longest match", d,
                              *greedy_over(null_strings(like, texts.training, true)),
                              texts.training, texts.held_out)
                     .unigram;
    random = bench
                 .measure(chart, "random characters, longest match", d,
                          *greedy_over(null_strings(like, texts.training, false)), texts.training,
                          texts.held_out)
                 .unigram;
  }
  const bool falls = pairs[500] > pairs[1000] && pairs[1000] > pairs[2000] &&
                     pairs[2000] > pairs[4000] && pairs[4000] > pairs[8000];
  bench.out.claims.push_back(
      {"on text, more tokens make single tokens a better model: as good as pairs and triples of "
       "characters between 1,000 and 4,000 of them",
       "not in the paper; 2.07 at 1,000, 1.62 at 4,000, triples 1.89",
       fmt::format("{:.2f} at 1,000, {:.2f} at 4,000, triples {:.2f}", pairs[1000], pairs[4000],
                   grams[3]),
       verdict_of(falls && pairs[1000] > grams[3] && pairs[4000] < grams[3])});
  bench.out.claims.push_back(
      {"it is the choice of the tokens that counts, not their lengths (4,000 tokens)",
       "not in the paper; 1.62 against 2.45 for random parts; random characters 3.12, single ones "
       "3.23",
       fmt::format("{:.2f} against {:.2f} for random parts; random characters {:.2f}, single ones "
                   "{:.2f}",
                   pairs[4000], substrings, random, grams[1]),
       verdict_of(substrings - pairs[4000] >= 0.5 && std::abs(random - grams[1]) <= 0.2)});
}

}  // namespace

ReproResult repro_tokenization_theory(const ReproRequest& request) {
  const ReproTexts texts = repro_texts(request.sources, kShape, "en-us");
  ReproResult out;
  Bench bench{request, out};
  const SourceResult first =
      measure_source("order 2, p = q = 0.8", MarkovSource::switching(2, 0.8, 0.8), true, bench);
  const SourceResult second =
      measure_source("order 3, p = q = 0.8", MarkovSource::switching(3, 0.8, 0.8), false, bench);
  const SourceResult third = measure_source("order 2, p = 0.9, q = 0.7",
                                            MarkovSource::switching(2, 0.9, 0.7), false, bench);
  claim_source(first, out);
  double below = 0;
  for (const SourceResult* r : {&first, &second, &third}) {
    below = std::max(below, r->rate - r->least);
  }
  out.claims.push_back({"no tokenizer, way to encode or size is below the entropy rate",
                        "by definition; more than 0.004 would be a fault of the measure",
                        fmt::format("at most {:.4f} below", below), verdict_of(below <= 0.004)});
  claim_rates(out);
  measure_texts(texts, bench);
  return out;
}

}  // namespace tessera
