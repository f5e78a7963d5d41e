// What the trainers of SentencePiece share: texts made canonical and cut into words, the alphabet,
// what may be a piece, special pieces, and the files. Source: Kudo and Richardson 2018,
// arXiv 1808.06226; names, defaults and order are those of the package sentencepiece.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/base/spec.h"
#include "tessera/tokenizer/sentence_piece_writer.h"
#include "tessera/tokenizer/train/trainer.h"
#include "tessera/tokenizer/train/word_counts.h"

namespace tessera {

struct SentencePieceTrainingOptions {
  std::string normalisation = "nmt_nfkc";
  bool dummy_prefix = true, remove_extra = true;
  double coverage = 0.9995;
  bool split_by_script = true, split_by_number = true, split_by_space = true;
  bool split_digits = false, space_as_suffix = false, space_only = false;
  bool byte_fallback = false;
  std::string user_defined = {}, required = {};
  int64_t max_piece_length = 16, max_sentence_length = 0;
  double sample = 1;
  bool hard_limit = false;
  int64_t unknown_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;
  std::string unknown = "<unk>", bos = "<s>", eos = "</s>", pad = "<pad>";
};
template <class V>
void sentence_piece_fields(V& v, SentencePieceTrainingOptions& o) {
  v("normalization-rule-name", o.normalisation, "what is done to characters first",
    {"nmt_nfkc", "nfkc", "identity"});
  v("add-dummy-prefix", o.dummy_prefix, "a space in front of every text");
  v("remove-extra-whitespaces", o.remove_extra,
    "spaces at both ends go, several in a row become one");
  v("character-coverage", o.coverage,
    "share of the texts whose characters are pieces; the rarest are unknown", between(0.5, 1));
  v("split-by-unicode-script", o.split_by_script, "no piece has characters of two scripts");
  v("split-by-number", o.split_by_number, "digits count as a script");
  v("split-by-whitespace", o.split_by_space, "no piece reaches over a space");
  v("split-digits", o.split_digits, "every digit is a piece of its own");
  v("treat-whitespace-as-suffix", o.space_as_suffix, "a space ends a word, and begins none");
  v("allow-whitespace-only-pieces", o.space_only, "spaces in a row may be a piece");
  v("byte-fallback", o.byte_fallback,
    "256 pieces more, so that unknown characters keep their bytes");
  v("user-defined-symbols", o.user_defined, "pieces that are never cut, with spaces between them");
  v("required-chars", o.required, "characters that are pieces whatever the texts hold");
  v("max-sentencepiece-length", o.max_piece_length, "characters of a piece at most",
    between(1, 512));
  v("max-sentence-length", o.max_sentence_length,
    "bytes of a line at most, longer ones are left out; 0: all are read", at_least(0));
  v("input-share", o.sample, "share of the lines that is read, chosen by what they say",
    between(0, 1));
  v("hard-vocab-limit", o.hard_limit, "fewer pieces than asked for are an error");
  v("unk-id", o.unknown_id, "id of the unknown piece", at_least(0));
  v("bos-id", o.bos_id, "id of the beginning of a text; -1: there is none", at_least(-1));
  v("eos-id", o.eos_id, "id of the end of a text; -1: there is none", at_least(-1));
  v("pad-id", o.pad_id, "id of padding; -1: there is none", at_least(-1));
  v("unk-piece", o.unknown, "name of the unknown piece");
  v("bos-piece", o.bos, "name of the beginning of a text");
  v("eos-piece", o.eos, "name of the end of a text");
  v("pad-piece", o.pad, "name of padding");
}

// Whether characters, a space being U+2581, may be a piece. Not for use by several threads at once.
class PieceLaw {
 public:
  explicit PieceLaw(const SentencePieceTrainingOptions& options);
  bool operator()(std::span<const char32_t> codes) const;
  bool operator()(std::string_view text) const;

 private:
  bool spaces_fit(std::span<const char32_t> codes) const;
  const SentencePieceTrainingOptions& options_;
  mutable std::vector<char32_t> codes_;
};

// Texts as words.
class SentencePieceTexts {
 public:
  // Stands for every character that is no piece.
  static constexpr char32_t kUnknown = 0x2585;

  // Reads and counts everything. `neighbours`: words are told apart by what follows them.
  // `options` must outlive this. Throws Error: nothing to learn from, special pieces that collide,
  // a vocabulary that cannot hold what it must.
  SentencePieceTexts(TrainingTexts& texts, const SentencePieceTrainingOptions& options,
                     const TrainingRequest& request, bool neighbours);

  // Calls visit(codes, count, followed) for all words; `followed` is as SpelledWords has it, the
  // same for all without `neighbours`.
  using Visit =
      std::function<void(std::span<const char32_t> codes, int64_t count, char32_t followed)>;
  void each_word(const Visit& visit) const;

  // Characters that are pieces and their counts, the most frequent first, equals by code point.
  const std::vector<std::pair<char32_t, int64_t>>& alphabet() const { return alphabet_; }
  // How many pieces are to be found, the alphabet among them.
  size_t wanted() const { return static_cast<size_t>(vocab_size_) - special_.size(); }

  struct Scored {
    std::string text;
    float score;
  };
  // The files. `pieces`: all but the special ones, by id. Throws Error where there are too few for
  // hard_limit, or for the ids that special pieces were given.
  TrainedTokenizer finish(const std::vector<Scored>& pieces, SentencePieceKind kind,
                          const TrainingTexts& texts);

 private:
  struct Line;
  void name_special(const TrainingRequest& request);
  void choose_alphabet();
  char32_t following(std::string_view& word) const;

  const SentencePieceTrainingOptions& options_;
  int64_t vocab_size_;
  bool neighbours_;
  std::map<int64_t, SentencePieceModel::Piece> special_;  // by id
  WordCounts counts_;
  std::vector<std::pair<char32_t, int64_t>> alphabet_;
  std::vector<bool> known_;  // by code point
  std::vector<std::string> notes_;
};

}  // namespace tessera
