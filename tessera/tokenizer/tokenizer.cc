#include "tessera/tokenizer/tokenizer.h"

#include "tessera/tokenizer/id_buffer.h"

namespace tessera {

void Tokenizer::encode_ids(std::string_view text, const EncodeOptions& options,
                           IdBuffer& out) const {
  out.append(encode(text, options).ids);
}

int64_t Tokenizer::count(std::string_view text, const EncodeOptions& options) const {
  IdBuffer ids;
  encode_ids(text, options, ids);
  return static_cast<int64_t>(ids.size());
}

}  // namespace tessera
