// Keeps the beginning of a document, its end, or both.
#pragma once

#include <memory>
#include <string>

#include "tessera/use/passages.h"

namespace tessera {

struct TruncateOptions {
  ReadLimits limits;
  std::string keep = "both";
};
template <class V>
void fields(V& v, TruncateOptions& o) {
  limit_fields(v, o.limits);
  v("keep", o.keep, "which end of the document; both: half of the budget each",
    {"both", "head", "tail"});
}

std::unique_ptr<Reader> truncate_reader(const TruncateOptions& options);

}  // namespace tessera
