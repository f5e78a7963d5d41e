#include "tessera/tokenizer/train/unigram_pieces.h"

#include <algorithm>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/text/utf8.h"

namespace tessera {

std::vector<LearnedPiece> find_pieces(const SpelledWords& words, const PieceSearch& search,
                                      const std::function<void(std::string_view)>& progress) {
  ProgressOptions shown;
  shown.label = "looking for pieces";
  shown.unit = "characters";
  shown.total = static_cast<int64_t>(words.text.size());
  shown.sink = progress;
  Progress seeding(shown);
  std::vector<SeedPiece> seeds = seed_pieces(words, search.longest, search.most, search.seeds);
  seeding.advance(shown.total);
  seeding.finish();
  if (seeds.empty()) {
    throw Error("the texts", "hold no character that may be a piece", "Give more text.");
  }
  shown.label = "pruning pieces";
  shown.unit = "pieces";
  const auto first = static_cast<int64_t>(seeds.size());
  shown.total = std::max<int64_t>(1, first - static_cast<int64_t>(search.learning.target));
  Progress pruning(shown);
  return learn_unigram(words, std::move(seeds), search.learning, [&](size_t left) {
    pruning.advance(first - static_cast<int64_t>(left) - pruning.done());
  });
}

std::string text_of(const SpelledWords& words, const LearnedPiece& piece) {
  std::string out;
  for (size_t i = 0; i < piece.length; ++i) append_unit(out, words.text[piece.begin + i] - 1);
  return out;
}

}  // namespace tessera
