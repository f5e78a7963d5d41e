// How often tests with random input repeat.
#pragma once

namespace tessera::test {

#if defined(__SANITIZE_ADDRESS__)
#define TESSERA_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TESSERA_SANITIZED
#endif
#endif

// `n`, and a sixth of it under sanitizers, which take ten times as long a round.
template <class N>
constexpr N rounds(N n) {
#ifdef TESSERA_SANITIZED
  return n < 12 ? N{2} : n / 6;
#else
  return n;
#endif
}

}  // namespace tessera::test
