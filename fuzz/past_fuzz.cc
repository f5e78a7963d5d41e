#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/refusal.h"
#include "tessera/base/pool.h"
#include "tests/network/tiny_model.h"

namespace {

using namespace tessera;

// Those whose pasts can be written.
constexpr std::array<const char*, 2> kPolicies = {"full", "streaming:sinks=2,local=8"};

Network& network() {
  static const std::unique_ptr<Network> made = [] {
    Pool::instance().set_threads(1);
    return load_network(test::tiny_model(test::tiny_description(), 5));
  }();
  return *made;
}

// The past of a short text: what mutations begin with.
std::vector<std::byte> written(const char* policy) {
  const std::unique_ptr<Past> past = network().new_past(policy);
  const std::vector<int32_t> ids = test::random_ids(3, 24, network().description().vocabulary);
  const int64_t width = network().description().embedding_width;
  std::vector<float> vectors(ids.size() * static_cast<size_t>(width));
  network().embed(ids, vectors);
  const Segment segment{past.get(), vectors, static_cast<int64_t>(ids.size()), {}, {}, 0, {}, {}};
  network().forward({&segment, 1});
  std::vector<std::byte> bytes;
  network().write_past(*past, [&](std::span<const std::byte> part) {
    bytes.insert(bytes.end(), part.begin(), part.end());
  });
  return bytes;
}

}  // namespace

// The first byte names the policy; the rest is laid over a true past's bytes from the place that
// the next two name, or stands for them where these are 0xFFFF.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  static const std::array<std::vector<std::byte>, kPolicies.size()> kTrue = [] {
    std::array<std::vector<std::byte>, kPolicies.size()> all;
    for (size_t i = 0; i < all.size(); ++i) all[i] = written(kPolicies[i]);
    return all;
  }();
  const size_t chosen = data[0] % kPolicies.size();
  const size_t at = data[1] | static_cast<size_t>(data[2]) << 8;
  const auto rest = std::as_bytes(std::span(data, size).subspan(3));
  std::vector<std::byte> bytes;
  if (at != 0xFFFF) bytes = kTrue[chosen];
  const size_t begin = at == 0xFFFF ? 0 : at % (bytes.size() + 1);
  if (bytes.size() < begin + rest.size()) bytes.resize(begin + rest.size());
  std::copy(rest.begin(), rest.end(), bytes.begin() + static_cast<std::ptrdiff_t>(begin));
  try {
    const std::unique_ptr<Past> past = network().read_past(bytes, kPolicies[chosen]);
    // What was taken must be of use.
    std::vector<float> vector(static_cast<size_t>(network().description().embedding_width), 0.5f);
    if (past->length() < 5000) {
      const Segment next{past.get(), vector, 1, {}, {}, 0, {}, {}};
      network().forward({&next, 1});
    }
  } catch (const tessera::Error& error) {
    tessera::fuzz::expect_one_line(error);
  }
  return 0;
}
