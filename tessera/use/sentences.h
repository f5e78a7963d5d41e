// Sentences of a document of any length, one at a time: nothing but the place in it is held.
#pragma once

#include <cstddef>
#include <string_view>

namespace tessera {

// Cuts after a full stop, a question or an exclamation mark with what closes quotes and brackets,
// where white space follows; after the full-width marks of Chinese and Japanese; and at blank
// lines. White space in front of a sentence belongs to it. What is no longer than a few bytes
// behind a full stop (initials, numbers of lists) stays with the sentence before it. Where no mark
// comes for two thousand bytes (code, logs), the cut is at the last line end, else the last space,
// else between two characters. The sentences, one behind the other, are the document.
class SentenceCutter {
 public:
  explicit SentenceCutter(std::string_view document) : document_(document) {}

  struct Sentence {
    size_t begin = 0, end = 0;
  };
  // false at the document's end.
  bool next(Sentence& out);

 private:
  std::string_view document_;
  size_t at_ = 0;
};

// Where a piece that is too long is best cut, behind byte 0 and in front of byte `limit`: at the
// last line end, else the last space, else between two characters. Needs 1 <= limit <=
// piece.size(); gives at least 1.
size_t cut_before(std::string_view piece, size_t limit);

}  // namespace tessera
