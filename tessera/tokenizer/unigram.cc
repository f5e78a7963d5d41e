#include "tessera/tokenizer/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/unigram_lattice.h"

namespace tessera {
namespace {

class UnigramModel : public Model {
 public:
  UnigramModel(const std::vector<UnigramPiece>& pieces, std::vector<bool> control,
               UnigramOptions options)
      : lattice_(pieces, std::move(control), std::move(options)), borders_(true) {
    if (lattice_.options().look_up_fused) return;
    for (const UnigramPiece& p : pieces) borders_.add(p.text);
    borders_.finish();
  }

  std::unique_ptr<Runner> runner() const override { return unigram_runner(lattice_, borders_); }

  std::string name() const override { return "Unigram"; }

  void encode(std::string_view piece, bool allow_control,
              std::vector<ModelToken>& out) const override {
    if (piece.empty()) return;
    check_size(piece);
    const size_t first = out.size();
    if (lattice_.options().sums == UnigramSums::floats) {
      lattice_.best_way<float>(piece, allow_control, 0, out);
    } else {
      lattice_.best_way<double>(piece, allow_control, 0, out);
    }
    lattice_.name_unknown(piece, first, allow_control, out);
  }

  // Draws tokens from the front on, each as likely as all ways that go on with it. Source:
  // Kudo 2018, section 3.3, with the sums taken from the end.
  void draw(std::string_view piece, bool allow_control, const Sampling& sampling, Random& random,
            std::vector<ModelToken>& out) const override {
    if (piece.empty()) return;
    check_size(piece);
    constexpr double kUsual = 0.1;
    const double rate = sampling.rate.value_or(kUsual);
    if (sampling.best > 0) {
      auto ways = best_ways(piece, allow_control, static_cast<size_t>(sampling.best));
      std::vector<double> weights;
      weights.reserve(ways.size());
      for (const ScoredWay& way : ways) {
        weights.push_back(std::exp(rate * (way.score - ways[0].score)));
      }
      const auto& drawn = ways[random.categorical(weights)].tokens;
      out.insert(out.end(), drawn.begin(), drawn.end());
      return;
    }
    const size_t first = out.size();
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    // By byte: the logarithm of the sum over all ways from there to the end.
    std::vector<double> behind(piece.size() + 1, kNone);
    behind[piece.size()] = 0;
    const std::vector<uint32_t> begins = characters(piece);
    std::vector<double> terms;
    for (size_t i = begins.size(); i-- > 0;) {
      terms.clear();
      lattice_.each_token(piece, begins[i], allow_control, [&](size_t end, double score, TokenId) {
        terms.push_back(rate * score + behind[end]);
      });
      const double most = *std::max_element(terms.begin(), terms.end());
      if (most == kNone) continue;
      double sum = 0;
      for (const double term : terms) sum += std::exp(term - most);
      behind[begins[i]] = most + std::log(sum);
    }
    std::vector<ModelToken> choices;
    for (uint32_t at = 0; at < piece.size();) {
      terms.clear();
      choices.clear();
      lattice_.each_token(piece, at, allow_control, [&](size_t end, double score, TokenId id) {
        terms.push_back(std::exp(rate * score + behind[end] - behind[at]));
        choices.push_back({id, at, static_cast<uint32_t>(end)});
      });
      out.push_back(choices[random.categorical(terms)]);
      at = out.back().end;
    }
    lattice_.name_unknown(piece, first, allow_control, out);
  }

  // The best ways to each byte from the best ways to those before it. Sums are doubles whatever
  // `sums` says.
  std::vector<ScoredWay> best_ways(std::string_view piece, bool allow_control,
                                   size_t count) const override {
    if (piece.empty()) return {ScoredWay{}};
    check_size(piece);
    constexpr size_t kMost = size_t{1} << 26;
    if (count > kMost / (piece.size() + 1)) {
      throw Error("",
                  fmt::format("the {} best ways to cut a stretch of {} bytes are too many", count,
                              piece.size()),
                  "Ask for fewer, or cut the text into lines.");
    }
    struct Way {
      double sum;
      uint32_t from, rank;  // the last token's begin, and which way leads there
      TokenId id;
    };
    std::vector<std::vector<Way>> to(piece.size() + 1);
    to[0].push_back({0, 0, 0, -1});
    const auto keep_best = [count](std::vector<Way>& ways) {
      std::stable_sort(ways.begin(), ways.end(),
                       [](const Way& a, const Way& b) { return a.sum > b.sum; });
      if (ways.size() > count) ways.resize(count);
    };
    for (const uint32_t at : characters(piece)) {
      keep_best(to[at]);
      lattice_.each_token(piece, at, allow_control, [&](size_t end, double score, TokenId id) {
        for (uint32_t rank = 0; rank < to[at].size(); ++rank) {
          to[end].push_back({to[at][rank].sum + score, at, rank, id});
        }
        if (to[end].size() > 4 * count) keep_best(to[end]);
      });
    }
    keep_best(to.back());
    std::vector<ScoredWay> out;
    for (const Way& last : to.back()) {
      ScoredWay way{last.sum, {}};
      auto end = static_cast<uint32_t>(piece.size());
      for (const Way* w = &last; end > 0; w = &to[end][w->rank]) {
        way.tokens.push_back({w->id, w->from, end});
        end = w->from;
      }
      std::reverse(way.tokens.begin(), way.tokens.end());
      lattice_.name_unknown(piece, 0, allow_control, way.tokens);
      out.push_back(std::move(way));
    }
    return out;
  }

 private:
  static void check_size(std::string_view piece) {
    if (piece.size() < UnigramLattice::kNowhere) return;
    throw Error("", "a stretch of text without a place to cut it has 4 GiB or more",
                "Cut the text into lines or files.");
  }

  static std::vector<uint32_t> characters(std::string_view piece) {
    std::vector<uint32_t> begins;
    for (size_t at = 0; at < piece.size(); at += unit_at(piece, at).length) {
      begins.push_back(static_cast<uint32_t>(at));
    }
    return begins;
  }

  UnigramLattice lattice_;
  Borders borders_;  // places that no piece spans
};

}  // namespace

std::unique_ptr<Model> unigram_model(const std::vector<UnigramPiece>& pieces,
                                     std::vector<bool> control, UnigramOptions options) {
  return std::make_unique<UnigramModel>(pieces, std::move(control), std::move(options));
}

}  // namespace tessera
