// The bodies of the text kernels; included once a level, which decides the width.
#pragma once

#include <bit>
#include <cstring>

#include "tessera/kernels/text_masks.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace tessera {
namespace {

#if defined(__AVX512BW__)

struct Bytes64 {
  __m512i v;
  explicit Bytes64(const unsigned char* p) : v(_mm512_loadu_si512(p)) {}
  uint64_t is(char c) const { return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c)); }
  // first <= byte < first + count
  uint64_t within(int first, int count) const {
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8(static_cast<char>(first))),
                                  _mm512_set1_epi8(static_cast<char>(count)));
  }
  uint64_t high() const { return _mm512_movepi8_mask(v); }
};

#elif defined(__AVX2__)

struct Bytes64 {
  __m256i a, b;
  explicit Bytes64(const unsigned char* p)
      : a(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))),
        b(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))) {}
  static uint64_t join(__m256i low, __m256i high) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
           static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32;
  }
  uint64_t is(char c) const {
    const __m256i x = _mm256_set1_epi8(c);
    return join(_mm256_cmpeq_epi8(a, x), _mm256_cmpeq_epi8(b, x));
  }
  uint64_t within(int first, int count) const {
    const __m256i from = _mm256_set1_epi8(static_cast<char>(first));
    const __m256i most = _mm256_set1_epi8(static_cast<char>(count - 1));
    const __m256i x = _mm256_sub_epi8(a, from), y = _mm256_sub_epi8(b, from);
    return join(_mm256_cmpeq_epi8(_mm256_min_epu8(x, most), x),
                _mm256_cmpeq_epi8(_mm256_min_epu8(y, most), y));
  }
  uint64_t high() const { return join(a, b); }
};

#else

// Eight bytes in a word at a time; a byte's answer is its top bit.
struct Bytes64 {
  uint64_t words[8];
  explicit Bytes64(const unsigned char* p) { std::memcpy(words, p, sizeof words); }
  static constexpr uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  // Gathers the top bits of the eight bytes of a word.
  static uint64_t gather(uint64_t tops) { return (tops & kTops) * 0x0002040810204081 >> 56; }
  template <class F>
  uint64_t each(const F& f) const {
    uint64_t out = 0;
    for (int i = 0; i < 8; ++i) out |= gather(f(words[i])) << 8 * i;
    return out;
  }
  uint64_t is(char c) const { return within(static_cast<unsigned char>(c), 1); }
  // Sums of 7-bit values do not carry into their neighbours; high bytes are masked out.
  uint64_t within(int first, int count) const {
    const uint64_t from = kOnes * static_cast<uint64_t>(128 - first);
    const uint64_t past = kOnes * static_cast<uint64_t>(128 - first - count);
    return each([&](uint64_t w) {
      const uint64_t low = w & ~kTops;
      return (low + from) & ~(low + past) & ~w;
    });
  }
  uint64_t high() const {
    return each([](uint64_t w) { return w; });
  }
};

#endif

void ascii_masks(const unsigned char* text, size_t blocks, AsciiMasks* out) {
  for (size_t i = 0; i < blocks; ++i) {
    const Bytes64 bytes(text + 64 * i);
    AsciiMasks& m = out[i];
    m.lower = bytes.within('a', 26);
    m.upper = bytes.within('A', 26);
    m.digit = bytes.within('0', 10);
    m.newline = bytes.is('\n') | bytes.is('\r');
    m.space = bytes.is(' ');
    m.white = bytes.within('\t', 5) | m.space;
    m.apostrophe = bytes.is('\'');
    m.slash = bytes.is('/');
    m.high = bytes.high();
  }
}

}  // namespace
}  // namespace tessera
