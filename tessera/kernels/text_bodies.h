// The bodies of the text kernels; included once a level, which decides the width.
#pragma once

#include <array>
#include <cstring>

#include "tessera/kernels/text_masks.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace tessera {
namespace {

// The bit that stands for a high half in LeadSet.
inline constexpr std::array<uint8_t, 16> kHighHalves = {0, 0, 0, 0, 0, 0, 0, 0,
                                                        0, 0, 0, 0, 1, 2, 4, 8};

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
  // Low six bits from `least` on.
  uint64_t low_six_from(int least) const {
    return _mm512_cmpge_epu8_mask(_mm512_and_si512(v, _mm512_set1_epi8(0x3F)),
                                  _mm512_set1_epi8(static_cast<char>(least)));
  }
  static __m512i halves(const uint8_t* table) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  }
  uint64_t in(const LeadSet& set) const {
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i high_bits = _mm512_shuffle_epi8(halves(kHighHalves.data()),
                                                  _mm512_and_si512(_mm512_srli_epi16(v, 4), low));
    const __m512i members =
        _mm512_shuffle_epi8(halves(set.high_halves.data()), _mm512_and_si512(v, low));
    return _mm512_test_epi8_mask(high_bits, members);
  }
  // table[byte] for each byte below 128.
  __m512i lookup(const std::array<uint8_t, 128>& table) const {
    __m512i out = _mm512_setzero_si512();
    const __m512i half = _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15));
    for (int h = 0; h < 8; ++h) {
      const __mmask64 here = _mm512_cmpeq_epi8_mask(half, _mm512_set1_epi8(static_cast<char>(h)));
      // The top bit of an index gives zero, and no byte here has it.
      out = _mm512_mask_shuffle_epi8(out, here, halves(table.data() + 16 * h), v);
    }
    return out;
  }
  static uint64_t meet(const Bytes64& front, const std::array<uint8_t, 128>& fronts,
                       const Bytes64& behind, const std::array<uint8_t, 128>& behinds) {
    return _mm512_test_epi8_mask(front.lookup(fronts), behind.lookup(behinds));
  }
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
  uint64_t low_six_from(int least) const {
    const __m256i low = _mm256_set1_epi8(0x3F), from = _mm256_set1_epi8(static_cast<char>(least));
    const __m256i x = _mm256_and_si256(a, low), y = _mm256_and_si256(b, low);
    return join(_mm256_cmpeq_epi8(_mm256_max_epu8(x, from), x),
                _mm256_cmpeq_epi8(_mm256_max_epu8(y, from), y));
  }
  static __m256i halves(const uint8_t* table) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  }
  static __m256i high_half(__m256i x) {
    return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15));
  }
  // All ones where two bytes have a bit in common.
  static uint64_t common(__m256i a0, __m256i b0, __m256i a1, __m256i b1) {
    const __m256i zero = _mm256_setzero_si256();
    return ~join(_mm256_cmpeq_epi8(_mm256_and_si256(a0, b0), zero),
                 _mm256_cmpeq_epi8(_mm256_and_si256(a1, b1), zero));
  }
  uint64_t in(const LeadSet& set) const {
    const __m256i low = _mm256_set1_epi8(15), highs = halves(kHighHalves.data()),
                  members = halves(set.high_halves.data());
    return common(_mm256_shuffle_epi8(highs, high_half(a)),
                  _mm256_shuffle_epi8(members, _mm256_and_si256(a, low)),
                  _mm256_shuffle_epi8(highs, high_half(b)),
                  _mm256_shuffle_epi8(members, _mm256_and_si256(b, low)));
  }
  static __m256i lookup(__m256i x, const std::array<uint8_t, 128>& table) {
    __m256i out = _mm256_setzero_si256();
    const __m256i half = high_half(x);
    for (int h = 0; h < 8; ++h) {
      const __m256i here = _mm256_cmpeq_epi8(half, _mm256_set1_epi8(static_cast<char>(h)));
      const __m256i found = _mm256_shuffle_epi8(halves(table.data() + 16 * h), x);
      out = _mm256_or_si256(out, _mm256_and_si256(here, found));
    }
    return out;
  }
  static uint64_t meet(const Bytes64& front, const std::array<uint8_t, 128>& fronts,
                       const Bytes64& behind, const std::array<uint8_t, 128>& behinds) {
    return common(lookup(front.a, fronts), lookup(behind.a, behinds), lookup(front.b, fronts),
                  lookup(behind.b, behinds));
  }
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
  uint64_t low_six_from(int least) const {
    const uint64_t from = kOnes * static_cast<uint64_t>(128 - least);
    return each([&](uint64_t w) { return (w & kOnes * 0x3F) + from; });
  }
  unsigned char at(size_t i) const {
    return static_cast<unsigned char>(words[i / 8] >> 8 * (i % 8));
  }
  uint64_t in(const LeadSet& set) const {
    uint64_t out = 0;
    for (size_t i = 0; i < 64; ++i) {
      const unsigned char byte = at(i);
      out |= static_cast<uint64_t>((kHighHalves[byte >> 4] & set.high_halves[byte & 15]) != 0) << i;
    }
    return out;
  }
  static uint64_t meet(const Bytes64& front, const std::array<uint8_t, 128>& fronts,
                       const Bytes64& behind, const std::array<uint8_t, 128>& behinds) {
    uint64_t out = 0;
    for (size_t i = 0; i < 64; ++i) {
      const bool meets = (fronts[front.at(i) & 127] & behinds[behind.at(i) & 127]) != 0;
      out |= static_cast<uint64_t>(meets) << i;
    }
    return out;
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
    m.tab = bytes.is('\t');
    m.visible = bytes.within(0x21, 94);
    m.high = bytes.high();
  }
}

constexpr LeadSet leads(unsigned first, unsigned end) {
  LeadSet out;
  for (unsigned lead = first; lead < end; ++lead) out.add(static_cast<unsigned char>(lead));
  return out;
}

void wide_masks(const unsigned char* text, size_t blocks, const LeadSet& first,
                const LeadSet& second, WideMasks* out) {
  static constexpr LeadSet kTwos = leads(0xC2, 0xE0), kThrees = leads(0xE0, 0xF0),
                           kFours = leads(0xF0, 0xF5), kAll = leads(0xC0, 0x100);
  for (size_t i = 0; i < blocks; ++i) {
    const Bytes64 bytes(text + 64 * i);
    WideMasks& m = out[i];
    m.two = bytes.in(kTwos);
    m.three = bytes.in(kThrees);
    m.four = bytes.in(kFours);
    m.tail = bytes.high() & ~bytes.in(kAll);
    m.upper_tail = m.tail & bytes.low_six_from(0x38);
    m.in_first = bytes.in(first);
    m.in_second = bytes.in(second);
  }
}

void pair_masks(const unsigned char* text, size_t blocks, const PairGroups& groups, uint64_t* out) {
  for (size_t i = 0; i < blocks; ++i) {
    const Bytes64 front(text + 64 * i - 1), behind(text + 64 * i);
    out[i] = Bytes64::meet(front, groups.front[0], behind, groups.behind[0]) |
             Bytes64::meet(front, groups.front[1], behind, groups.behind[1]);
  }
}

}  // namespace
}  // namespace tessera
