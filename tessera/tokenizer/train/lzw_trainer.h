// The dictionary that Lempel, Ziv and Welch's compression fills while it reads.
// Sources: Welch 1984, doi 10.1109/MC.1984.1659158; as a tokenizer Rajaraman et al. 2024,
// arXiv 2404.08335. docs/trainer/lzw.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct LzwTrainerOptions {
  int64_t max_length = 0;
  std::string unknown = "[UNK]";
};
template <class V>
void fields(V& v, LzwTrainerOptions& o) {
  v("max-length", o.max_length, "bytes that a token has at most; 0: any number", at_least(0));
  v("unknown", o.unknown, "the special token that the file's format asks for; no text gives it");
}

std::unique_ptr<Trainer> lzw_trainer(const LzwTrainerOptions& options);

// Begins with the 256 single bytes.
class LzwDictionary {
 public:
  // Full at `size` entries. `max_length`: as the option.
  LzwDictionary(size_t size, size_t max_length);
  bool full() const { return entries_.size() >= size_; }
  // The longest entry that the text begins with, and the byte behind it, become an entry; then the
  // same for the text behind the first of both, to the text's end or until it is full.
  void read(std::string_view text);
  // In the order in which they came.
  std::vector<std::string> entries() const;

 private:
  struct Entry {
    uint32_t parent;  // all but the last byte; itself for single bytes
    unsigned char last;
    uint32_t length;
  };
  size_t size_, max_length_;
  std::vector<Entry> entries_;
  std::unordered_map<uint64_t, uint32_t> longer_;  // entry and next byte
};

}  // namespace tessera
