// Documents that were there before, exactly or nearly.
// Source: Broder 1997, "On the resemblance and containment of documents"; one hash a shingle and
// bins that are filled from others: Li, Owen and Zhang 2012, Shrivastava 2017, arXiv 1703.04664.
// docs/formats/shards.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tessera/base/spec.h"

namespace tessera {

struct ExactOptions {};
template <class V>
void fields(V&, ExactOptions&) {}

struct MinHashOptions {
  double threshold = 0.8;
  int64_t bands = 32, rows = 4, shingle = 16;
};
template <class V>
void fields(V& v, MinHashOptions& o) {
  v("threshold", o.threshold, "share of common shingles from which on a document is removed",
    between(0, 1));
  v("bands", o.bands, "groups of minima; documents that agree in one are compared",
    between(1, 1024));
  v("rows", o.rows, "minima of a group", between(1, 64));
  v("shingle", o.shingle, "bytes of a shingle", between(1, 1024));
}

// What is kept of a document.
struct DocumentSign {
  uint64_t low = 0, high = 0;    // hash of all bytes
  std::vector<uint32_t> minima;  // near duplicates only
};

struct Duplicate {
  uint64_t of = 0;        // number of the earlier document
  double similarity = 1;  // estimated, but for exact ones
};

// Finds documents that equal an earlier one that was kept. The answers depend on the documents and
// their order alone.
class DuplicateFilter {
 public:
  virtual ~DuplicateFilter() = default;
  // Threads: may run together.
  virtual DocumentSign sign(std::string_view document) const = 0;
  // Remembers document `number`, or gives which one it repeats. One thread.
  virtual std::optional<Duplicate> add(const DocumentSign& sign, uint64_t number) = 0;
  // The canonical spec.
  virtual std::string text() const = 0;
};

// "exact", "minhash:threshold=0.8"; throws Error for others. Null for "".
std::unique_ptr<DuplicateFilter> make_duplicate_filter(std::string_view spec);

// 1 - (1 - s^rows)^bands: how likely two documents are compared of whose shingles the share s is
// common.
double compared_share(double s, const MinHashOptions& options);

}  // namespace tessera
