// Short texts on their way through an encoder in one pass: alone, each would read all weights for
// itself.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

class TextGroup {
 public:
  // ids    of a text, template tokens included
  void add(std::vector<int32_t> ids);
  bool empty() const { return texts_.empty(); }
  int64_t tokens() const { return tokens_; }
  // Whether there are so many tokens that more would save nothing.
  bool full() const;
  // In the order in which they were added: what embed_texts() takes.
  std::span<const std::vector<int32_t>> texts() const { return texts_; }
  void clear();

 private:
  std::vector<std::vector<int32_t>> texts_;
  int64_t tokens_ = 0;
};

}  // namespace tessera
