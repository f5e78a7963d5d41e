#include "tessera/tokenizer/tokenizer.h"

#include "tessera/base/error.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/pair_encoding.h"

namespace tessera {

PairEncoding Tokenizer::encode_pair(std::string_view first, std::string_view second,
                                    const EncodeOptions& options) const {
  const EncodeOptions plain = options_of_one(options);
  return join_pair(encode(first, plain), encode(second, plain), {}, {}, options);
}

void Tokenizer::encode_ids(std::string_view text, const EncodeOptions& options,
                           IdBuffer& out) const {
  out.append(encode(text, options).ids);
}

std::vector<ScoredEncoding> Tokenizer::encode_best(std::string_view, int64_t,
                                                   const EncodeOptions&) const {
  throw Error("", "a " + summary() + " gives its tokens no scores to rank ways by",
              "Unigram vocabularies do.");
}

int64_t Tokenizer::count(std::string_view text, const EncodeOptions& options) const {
  IdBuffer ids;
  encode_ids(text, options, ids);
  return static_cast<int64_t>(ids.size());
}

}  // namespace tessera
