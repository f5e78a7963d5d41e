// Attention sinks: tokens that receive far more attention than their share.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera {

// When a token is a sink: the mean attention from the queries that can see it exceeds tau, or, if
// alpha > 0, alpha / tokens. Tokens that fewer than min_queries have seen are none.
struct SinkRule {
  double tau = 0.1, alpha = 0;
  int64_t min_queries = 1;
  double threshold(int64_t tokens) const {
    return alpha > 0 ? alpha / static_cast<double>(tokens) : tau;
  }
};

// What the tokens of a text have received in one head, summed over queries.
class ReceivedAttention {
 public:
  // The next query's weights, over all tokens up to its own. Queries may be left out: they count
  // for no token.   weights [tokens of the text so far], more than tokens()
  void add(std::span<const float> weights);
  int64_t tokens() const { return static_cast<int64_t>(sums_.size()); }
  // Queries that were added and could see the token.
  int64_t queries(int64_t token) const { return added_ - before_[static_cast<size_t>(token)]; }
  // Their mean weight.
  double mean(int64_t token) const {
    return sums_[static_cast<size_t>(token)] / static_cast<double>(queries(token));
  }
  // Sinks from token `first` on, ascending.
  void sinks(const SinkRule& rule, int64_t first, std::vector<int32_t>& out) const;
  int64_t bytes() const {
    return static_cast<int64_t>(sums_.capacity() * (sizeof(double) + sizeof(int64_t)));
  }

 private:
  std::vector<double> sums_;
  std::vector<int64_t> before_;  // queries that were added before the token was there
  int64_t added_ = 0;
};

// A head of the network, counted from 0.
struct HeadId {
  int64_t layer = 0, head = 0;
  auto operator<=>(const HeadId&) const = default;
};
// "3.0+12.8", and back. Throws Error that names the list for anything else, and for a head that
// stands there twice.
std::string heads_text(std::span<const HeadId> heads);
std::vector<HeadId> parse_heads(const std::string& text);

}  // namespace tessera
