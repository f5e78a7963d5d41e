#include "tessera/tokenizer/probes.h"

#include <array>
#include <string_view>

#include "tessera/base/random.h"
#include "tessera/text/utf8.h"

namespace tessera {
namespace {

constexpr std::array<std::string_view, 24> kAwkward = {" ",
                                                       "  ",
                                                       "\n",
                                                       "\r\n",
                                                       "\t",
                                                       "\n\n\n",
                                                       "\xC2\xA0",
                                                       "\xE3\x80\x80",
                                                       "\xE2\x80\x8B",
                                                       "e\xCC\x81",
                                                       "\xE2\x80\x8F",
                                                       "\xC4\xB0",
                                                       "'s",
                                                       "'RE",
                                                       "don't",
                                                       "123456",
                                                       "\xD9\xA3",
                                                       "\xE2\x85\xA7",
                                                       "\xEF\xAC\x81",
                                                       "\xE2\x96\x81",
                                                       "<0x41>",
                                                       "</s>",
                                                       "a.b_c(d)",
                                                       "http://x.y/z"};

std::string piece_of(const Vocabulary& vocabulary, Random& random, bool only_utf8) {
  std::string out;
  switch (random.below(8)) {
    case 0:
      return std::string(kAwkward[random.below(kAwkward.size())]);
    case 1:
      for (uint64_t n = 1 + random.below(8); n > 0; --n) {
        out += static_cast<char>(random.below(only_utf8 ? 128 : 256));
      }
      return out;
    case 2: {
      // Neighbours in Unicode, so that scripts do not mix within a run.
      const std::array<char32_t, 6> ends = {0x80, 0x800, 0x3000, 0xD700, 0xFF00, 0x10FF00};
      const auto first = static_cast<char32_t>(random.below(ends[random.below(ends.size())]));
      for (uint64_t n = 1 + random.below(6); n > 0; --n) {
        const auto code = first + static_cast<char32_t>(random.below(40));
        append_unit(out, code >= 0xD800 && code <= 0xDFFF ? U'?' : code);
      }
      return out;
    }
    default:
      break;
  }
  if (vocabulary.size() == 0) return out;
  const auto id = static_cast<TokenId>(random.below(static_cast<uint64_t>(vocabulary.size())));
  out = random.below(16) == 0 ? vocabulary.piece(id) : vocabulary.bytes(id);
  return only_utf8 && !is_utf8(out) ? std::string() : out;
}

}  // namespace

std::vector<std::string> probe_texts(const Vocabulary& vocabulary, const ProbeOptions& options) {
  std::vector<std::string> out = {""};
  Random random(options.seed);
  while (static_cast<int64_t>(out.size()) < options.count) {
    std::string text;
    for (uint64_t n = 1 + random.below(12); n > 0; --n) {
      text += piece_of(vocabulary, random, options.only_utf8);
      if (random.below(3) == 0) text += ' ';
    }
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace tessera
