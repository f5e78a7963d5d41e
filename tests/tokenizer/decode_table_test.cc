#include "tessera/tokenizer/decode_table.h"

#include <random>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/tokenizer/decoders.h"
#include "tessera/tokenizer/vocabulary_table.h"

namespace tessera {
namespace {

const std::vector<std::string> kPieces = {"a",
                                          "\xE2\x96\x81",
                                          "\xE2\x96\x81the",
                                          "<0x0A>",
                                          "<0xE4>",
                                          "<s>",
                                          "fifteen bytes..",
                                          "sixteen bytes...",
                                          std::string(5000, 'x'),
                                          "\xC4\xA0was",
                                          "\xE2\x96\x81\xE2\x96\x81",
                                          "</s>",
                                          "\xE4\xB8\xAD"};

bool is_control(TokenId id) { return id == 5 || id == 11; }

VocabularyTable vocabulary() {
  VocabularyTable table(static_cast<int64_t>(kPieces.size()));
  for (size_t i = 0; i < kPieces.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    table.set(id, kPieces[i], is_control(id) ? TokenRole::control : TokenRole::normal);
    table.set_bytes(id, is_control(id) ? "" : kPieces[i] + "!", false);
  }
  return table;
}

std::vector<std::unique_ptr<Decoder>> decoders() {
  const auto chain = [](auto... parts) {
    std::vector<std::unique_ptr<Decoder>> all;
    (all.push_back(std::move(parts)), ...);
    return sequence(std::move(all));
  };
  const auto spaces = [] { return replace_decoder(Pattern::literal("\xE2\x96\x81"), " ", true); };
  std::vector<std::unique_ptr<Decoder>> all;
  all.push_back(byte_level_decoder());
  all.push_back(fuse_decoder());
  all.push_back(chain(spaces(), byte_fallback_decoder(), fuse_decoder()));
  all.push_back(chain(spaces(), byte_fallback_decoder(), fuse_decoder(), strip_decoder(" ", 1, 0)));
  all.push_back(chain(fuse_decoder(), spaces(), strip_decoder("x", 3, 2), space_joiner()));
  all.push_back(chain(strip_decoder("a", 1, 0), byte_fallback_decoder()));
  all.push_back(chain());
  return all;
}

// Oracle: the decoder on all pieces at once.
TEST(DecodeTable, WritesWhatTheDecoderDoes) {
  const VocabularyTable words = vocabulary();
  auto all = decoders();
  all.push_back(nullptr);
  std::mt19937 random(3);
  for (size_t d = 0; d < all.size(); ++d) {
    SCOPED_TRACE(d);
    const Decoder* decoder = all[d].get();
    ASSERT_TRUE(decoder == nullptr || decoder->piecewise());
    const DecodeTable table(words, decoder, is_control);
    for (int round = 0; round < 60; ++round) {
      std::vector<TokenId> ids(round < 50 ? random() % 12 : 3000);
      for (TokenId& id : ids) id = static_cast<TokenId>(random() % kPieces.size());
      const bool skip = round % 2 == 0;
      std::vector<std::string> pieces;
      for (const TokenId id : ids) {
        if (skip && is_control(id)) continue;
        pieces.emplace_back(decoder || is_control(id) ? words.piece(id) : words.bytes(id));
      }
      if (decoder) decoder->apply(pieces);
      std::string want;
      for (const std::string& p : pieces) want += p;
      ASSERT_EQ(table.decode(ids, skip), want);
    }
  }
}

TEST(DecodeTable, RefusesIdsOutsideTheVocabulary) {
  const VocabularyTable words = vocabulary();
  const DecodeTable table(words, nullptr, is_control);
  for (const TokenId id : {-1, static_cast<int>(kPieces.size()), 1 << 30}) {
    const std::vector<TokenId> ids = {0, id};
    EXPECT_THROW(table.decode(ids, true), Error);
  }
}

// Decoders that look at neighbours say so.
TEST(DecodeTable, IsNotForDecodersThatLookAround) {
  EXPECT_FALSE(space_joiner()->piecewise());
  EXPECT_FALSE(word_piece_decoder("##", true)->piecewise());
  EXPECT_FALSE(metaspace_decoder("_", PrependScheme::first)->piecewise());
  EXPECT_FALSE(ctc_decoder({})->piecewise());
  EXPECT_FALSE(suffix_decoder("</w>")->piecewise());
  std::vector<std::unique_ptr<Decoder>> parts;
  parts.push_back(byte_fallback_decoder());
  parts.push_back(space_joiner());
  EXPECT_FALSE(sequence(std::move(parts))->piecewise());
}

}  // namespace
}  // namespace tessera
