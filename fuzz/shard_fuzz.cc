#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/tokenizer/shards.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint64_t> aligned(size / 8 + 1);
  std::memcpy(aligned.data(), data, size);
  try {
    const tessera::Shard shard({reinterpret_cast<const char*>(aligned.data()), size}, "fuzz.shard");
    for (int64_t d = 0; d < shard.documents(); ++d) (void)shard.ids(d);
  } catch (const tessera::Error&) {
  }
  return 0;
}
