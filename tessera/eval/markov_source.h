// Texts whose entropy is known: Markov processes of small order. Sources: Rajaraman et al. 2024,
// arXiv 2404.08335, section 2; Makkuva et al. 2024, arXiv 2402.04161 (the switching process).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

class MarkovSource {
 public:
  // rows [letters^order, letters]: the chances of the next letter behind each context, whose last
  // letter counts least: row = sum of letter x letters^distance, distance 0 being the last one.
  // Throws Error naming the row that is no distribution, for more than 65,536 rows, and where a
  // context cannot be reached from every other, or only in turns: the process has then no single
  // stationary distribution.
  MarkovSource(size_t letters, size_t order, std::vector<double> rows);
  // Two letters; the next depends only on the one `order` places back: p is the chance to go from
  // the first letter to the second, q back. Throws Error unless both are within (0, 1).
  static MarkovSource switching(size_t order, double p, double q);

  // {"letters": 2, "order": 1, "rows": [[0.2, 0.8], [0.5, 0.5]]}; throws Error, naming `where`.
  static MarkovSource parse(std::string_view json, const std::string& where);

  size_t letters() const { return letters_; }
  size_t order() const { return order_; }
  // In nats a letter: what no model goes below, and what the best model without a past reaches.
  double entropy_rate() const { return rate_; }
  double letter_entropy() const;
  const std::vector<double>& stationary() const { return stationary_; }  // [letters^order]
  // `length` letters 'a', 'b', .., the first `order` of them from the stationary distribution.
  std::string sample(size_t length, uint64_t seed) const;

 private:
  void check() const;
  void find_stationary();

  size_t letters_, order_, contexts_ = 1;
  std::vector<double> rows_, stationary_;
  double rate_ = 0;
};

// "switching:order=2,p=0.8,q=0.8", these being the defaults. Throws Error.
MarkovSource markov_source(std::string_view spec);

// Loss of blocks of `length` letters of switching(order, p, p) as single tokens, in nats a letter.
double switching_block_loss(size_t order, double p, size_t length);

}  // namespace tessera
