#include "tessera/tokenizer/train/unigram_learning.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

namespace tessera {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr double kUnknownPenalty = 10, kLeastExpected = 0.5;
// Sums over words are taken in so many parts, whatever the number of threads.
constexpr size_t kParts = 8;
// Below this a product of probabilities is still a number.
constexpr double kLeastLog = -600;

struct Piece {
  uint32_t begin, length;
  double score;
};

// All places where pieces stand, by place; those of one place from the shortest on.
class Lattice {
 public:
  Lattice(const SpelledWords& words, const std::vector<SeedPiece>& seeds) : words_(words) {
    begins_.resize(words.text.size() + 1);
    for (const SeedPiece& seed : seeds) {
      for (uint32_t place : seed.all) ++begins_[place + 1];
    }
    for (size_t i = 0; i < words.text.size(); ++i) begins_[i + 1] += begins_[i];
    ids_.resize(begins_.back());
    std::vector<uint32_t> order(seeds.size());
    for (uint32_t i = 0; i < seeds.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return seeds[a].length < seeds[b].length; });
    std::vector<uint64_t> used(begins_.begin(), begins_.end() - 1);
    for (uint32_t id : order) {
      for (uint32_t place : seeds[id].all) ids_[used[place]++] = id;
    }
  }

  // Numbers the pieces anew; kGone ones leave.
  static constexpr uint32_t kGone = std::numeric_limits<uint32_t>::max();
  void renumber(const std::vector<uint32_t>& now) {
    uint64_t out = 0, begin = 0;
    for (size_t place = 0; place + 1 < begins_.size(); ++place) {
      const uint64_t end = begins_[place + 1];
      for (; begin < end; ++begin) {
        if (now[ids_[begin]] != kGone) ids_[out++] = now[ids_[begin]];
      }
      begins_[place + 1] = out;
    }
    ids_.resize(out);
  }
  std::span<const uint32_t> at(size_t place) const {
    return std::span(ids_).subspan(begins_[place], begins_[place + 1] - begins_[place]);
  }
  const SpelledWords& words() const { return words_; }

 private:
  const SpelledWords& words_;
  std::vector<uint64_t> begins_;
  std::vector<uint32_t> ids_;
};

class Learning {
 public:
  Learning(const SpelledWords& words, const std::vector<SeedPiece>& seeds,
           const UnigramLearningOptions& options)
      : options_(options), lattice_(words, seeds) {
    double sum = 0;
    for (const SeedPiece& seed : seeds) sum += seed.score;
    pieces_.reserve(seeds.size());
    for (const SeedPiece& seed : seeds) {
      pieces_.push_back({seed.begin, seed.length, std::log(seed.score) - std::log(sum)});
    }
    refresh();
  }

  std::vector<LearnedPiece> learn(const std::function<void(size_t)>& shown) {
    const size_t target = options_.target * 11 / 10;
    while (true) {
      for (int64_t round = 0; round < options_.rounds; ++round) maximise(expected());
      if (shown) shown(pieces_.size());
      const size_t before = pieces_.size();
      if (as_tokenizers() && counted(before) <= target) break;
      prune(target);
      if (!as_tokenizers() && pieces_.size() <= target) break;
      if (pieces_.size() == before) break;
    }
    if (!as_tokenizers()) drop_unreachable();
    std::vector<LearnedPiece> out;
    out.reserve(pieces_.size());
    for (const Piece& p : pieces_) out.push_back({p.begin, p.length, p.score});
    return out;
  }

 private:
  bool as_tokenizers() const { return options_.rules == UnigramRules::tokenizers; }
  // Pieces as the package counts them.
  size_t counted(size_t pieces) const { return as_tokenizers() ? pieces + 1 : pieces; }

  struct Edge {
    uint32_t id;  // of a piece, or pieces_.size(): the unknown one
    uint32_t length;
    double score, probability;
  };

  // Calls visit(edge) for what may stand at a place; the unknown piece where no character does.
  template <class Visit>
  void each_edge(size_t place, const Visit& visit) const {
    const auto ids = lattice_.at(place);
    if (ids.empty() || pieces_[ids[0]].length != 1) {
      visit(Edge{static_cast<uint32_t>(pieces_.size()), 1, unknown_, unknown_probability_});
    }
    for (uint32_t id : ids) {
      visit(Edge{id, pieces_[id].length, pieces_[id].score, probabilities_[id]});
    }
  }

  void refresh() {
    least_ = 0;
    probabilities_.resize(pieces_.size());
    for (size_t i = 0; i < pieces_.size(); ++i) {
      least_ = std::min(least_, pieces_[i].score);
      probabilities_[i] = std::exp(pieces_[i].score);
    }
    unknown_ = least_ - kUnknownPenalty;
    unknown_probability_ = std::exp(unknown_);
  }

  size_t length_of(size_t begin) const {
    size_t end = begin;
    while (!SpelledWords::ends(lattice_.words().text[end])) ++end;
    return end - begin;
  }

  // Calls work(part, first word, end) for all parts, several at once.
  template <class Work>
  void each_part(const Work& work) const {
    const size_t words = lattice_.words().begins.size();
    std::atomic<size_t> next{0};
    const auto serve = [&] {
      for (size_t part = 0; (part = next++) < kParts;) {
        work(part, words * part / kParts, words * (part + 1) / kParts);
      }
    };
    std::vector<std::thread> threads;
    for (int64_t t = 1; t < std::min<int64_t>(options_.threads, kParts); ++t) {
      threads.emplace_back(serve);
    }
    serve();
    for (std::thread& thread : threads) thread.join();
  }

  // How often each piece is expected under the present scores.
  std::vector<double> expected() const {
    std::array<std::vector<double>, kParts> sums;
    each_part([&](size_t part, size_t first, size_t end) {
      auto& sum = sums[part];
      sum.resize(pieces_.size() + 1);
      std::vector<double> front, back;
      for (size_t w = first; w < end; ++w) add_expected(w, front, back, sum);
    });
    std::vector<double> out = std::move(sums[0]);
    for (size_t part = 1; part < kParts; ++part) {
      for (size_t i = 0; i < out.size(); ++i) out[i] += sums[part][i];
    }
    return out;
  }

  // Forward and backward sums over all ways to cut a word, as probabilities where they can be, else
  // as logarithms.
  void add_expected(size_t word, std::vector<double>& front, std::vector<double>& back,
                    std::vector<double>& sum) const {
    const size_t begin = lattice_.words().begins[word], n = length_of(begin);
    const auto count = static_cast<double>(lattice_.words().counts[word]);
    if (static_cast<double>(n) * unknown_ < kLeastLog) {
      return add_expected_by_logs(begin, n, count, front, back, sum);
    }
    front.assign(n + 1, 0);
    back.assign(n + 1, 0);
    front[0] = back[n] = 1;
    for (size_t i = 0; i < n; ++i) {
      each_edge(begin + i, [&](const Edge& e) { front[i + e.length] += front[i] * e.probability; });
    }
    for (size_t i = n; i-- > 0;) {
      each_edge(begin + i, [&](const Edge& e) { back[i] += back[i + e.length] * e.probability; });
    }
    const double scale = count / front[n];
    for (size_t i = 0; i < n; ++i) {
      each_edge(begin + i, [&](const Edge& e) {
        sum[e.id] += front[i] * e.probability * back[i + e.length] * scale;
      });
    }
  }

  static double log_of_sum(double a, double b) {
    const double most = std::max(a, b), least = std::min(a, b);
    return least == kNever ? most : most + std::log1p(std::exp(least - most));
  }

  void add_expected_by_logs(size_t begin, size_t n, double count, std::vector<double>& front,
                            std::vector<double>& back, std::vector<double>& sum) const {
    front.assign(n + 1, kNever);
    back.assign(n + 1, kNever);
    front[0] = back[n] = 0;
    for (size_t i = 0; i < n; ++i) {
      each_edge(begin + i, [&](const Edge& e) {
        front[i + e.length] = log_of_sum(front[i + e.length], front[i] + e.score);
      });
    }
    for (size_t i = n; i-- > 0;) {
      each_edge(begin + i, [&](const Edge& e) {
        back[i] = log_of_sum(back[i], back[i + e.length] + e.score);
      });
    }
    for (size_t i = 0; i < n; ++i) {
      each_edge(begin + i, [&](const Edge& e) {
        sum[e.id] += count * std::exp(front[i] + e.score + back[i + e.length] - front[n]);
      });
    }
  }

  // New scores; pieces that are hardly expected go.
  void maximise(const std::vector<double>& expected) {
    double sum = 0;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      if (expected[i] >= kLeastExpected) sum += expected[i];
    }
    const double all = digamma(sum);
    std::vector<uint32_t> kept;
    for (uint32_t i = 0; i < pieces_.size(); ++i) {
      if (expected[i] < kLeastExpected) continue;
      pieces_[i].score = digamma(expected[i]) - all;
      kept.push_back(i);
    }
    keep(kept);
  }

  void keep(const std::vector<uint32_t>& kept) {
    std::vector<uint32_t> now(pieces_.size(), Lattice::kGone);
    std::vector<Piece> pieces;
    pieces.reserve(kept.size());
    for (uint32_t id : kept) {
      now[id] = static_cast<uint32_t>(pieces.size());
      pieces.push_back(pieces_[id]);
    }
    pieces_ = std::move(pieces);
    lattice_.renumber(now);
    refresh();
  }

  struct Step {
    double score = kNever;
    uint32_t id = 0, length = 0;
  };

  // The best way to cut n characters; best[n] is where it ends. `without_whole`: not as one piece.
  void cut(size_t begin, size_t n, bool without_whole, std::vector<Step>& best) const {
    best.assign(n + 1, {});
    best[0].score = 0;
    for (size_t i = 0; i < n; ++i) {
      if (best[i].score == kNever) continue;
      each_edge(begin + i, [&](const Edge& e) {
        if (e.length > n - i || (without_whole && e.length == n)) return;
        const double score = best[i].score + e.score;
        if (score > best[i + e.length].score) best[i + e.length] = {score, e.id, e.length};
      });
    }
  }

  // The pieces that would stand in a piece's place; none where it cannot do without, or where it is
  // not the best way to cut its own text (`kept` says which).
  std::vector<uint32_t> alternative(const Piece& piece, std::vector<Step>& best, bool& kept) const {
    const size_t n = piece.length;
    std::vector<uint32_t> out;
    kept = true;
    if (n == 1) return out;
    cut(piece.begin, n, true, best);
    if (best[n].score == kNever) return out;
    if (best[n].score > piece.score) {
      kept = false;
      return out;
    }
    for (size_t i = n; i > 0; i -= best[i].length) out.push_back(best[i].id);
    return out;
  }

  // Pieces whose own text is cut better otherwise never stand anywhere.
  void drop_unreachable() {
    std::vector<uint32_t> kept;
    std::vector<Step> best;
    for (uint32_t id = 0; id < pieces_.size(); ++id) {
      bool reachable = true;
      alternative(pieces_[id], best, reachable);
      if (reachable) kept.push_back(id);
    }
    keep(kept);
  }

  void prune(size_t target) {
    const std::vector<double> counts = viterbi_counts();
    double sum = 0, words = 0;
    for (double c : counts) sum += c;
    if (!as_tokenizers()) sum -= counts.back();
    for (int64_t c : lattice_.words().counts) words += static_cast<double>(c);
    std::vector<uint32_t> kept;
    std::vector<std::pair<double, uint32_t>> candidates;
    std::vector<Step> best;
    for (uint32_t id = 0; id < pieces_.size(); ++id) {
      bool needed = true;
      const std::vector<uint32_t> others = alternative(pieces_[id], best, needed);
      if (!needed && (counts[id] == 0 || !as_tokenizers())) continue;
      if (counts[id] == 0 && !as_tokenizers()) continue;
      if (others.empty()) {
        kept.push_back(id);
        continue;
      }
      if (counts[id] == 0) continue;
      const double now = std::log(counts[id]) - std::log(sum);
      const double all = std::log(sum + counts[id] * static_cast<double>(others.size() - 1));
      double then = 0;
      for (uint32_t other : others) then += std::log(counts[other] + counts[id]) - all;
      candidates.emplace_back(counts[id] / words * (now - then), id);
    }
    const auto shrunk = static_cast<size_t>(static_cast<double>(counted(pieces_.size())) *
                                            options_.shrinking_factor);
    const size_t most = std::max(target, shrunk);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [loss, id] : candidates) {
      if (counted(kept.size()) >= most) break;
      kept.push_back(id);
    }
    keep(kept);
  }

  // How often each piece stands in the best cuts of the words; the unknown one last.
  std::vector<double> viterbi_counts() const {
    std::array<std::vector<double>, kParts> sums;
    each_part([&](size_t part, size_t first, size_t end) {
      auto& sum = sums[part];
      sum.resize(pieces_.size() + 1);
      std::vector<Step> best;
      for (size_t w = first; w < end; ++w) {
        const size_t begin = lattice_.words().begins[w], n = length_of(begin);
        cut(begin, n, false, best);
        for (size_t i = n; i > 0; i -= best[i].length) {
          sum[best[i].id] += static_cast<double>(lattice_.words().counts[w]);
        }
      }
    });
    std::vector<double> out = std::move(sums[0]);
    for (size_t part = 1; part < kParts; ++part) {
      for (size_t i = 0; i < out.size(); ++i) out[i] += sums[part][i];
    }
    return out;
  }

  UnigramLearningOptions options_;
  Lattice lattice_;
  std::vector<Piece> pieces_;
  std::vector<double> probabilities_;
  double least_ = 0, unknown_ = 0, unknown_probability_ = 0;
};

}  // namespace

double digamma(double x) {
  double out = 0;
  while (x < 7) {
    out -= 1 / x;
    x += 1;
  }
  x -= 0.5;
  const double i2 = 1 / (x * x), i4 = i2 * i2;
  return out + std::log(x) + i2 / 24 - 7 * i4 / 960 + 31 * i4 * i2 / 8064 - 127 * i4 * i4 / 30720;
}

std::vector<LearnedPiece> learn_unigram(const SpelledWords& words, std::vector<SeedPiece> seeds,
                                        const UnigramLearningOptions& options,
                                        const std::function<void(size_t)>& shown) {
  Learning learning(words, seeds, options);
  seeds = {};
  return learning.learn(shown);
}

}  // namespace tessera
