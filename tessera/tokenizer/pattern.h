// Regular expressions as tokenizer files write them (Oniguruma's dialect), over units of text that
// may not be UTF-8.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/text/aligned_text.h"

namespace tessera {

// How the bytes of a text are read as characters.
enum class Reading : uint8_t {
  utf8,        // characters; a byte that is not UTF-8 is a unit of its own, in no class
  byte_level,  // every byte is the character that the byte-level alphabet writes for it
};

// Whose expression it is. Both know the same characters, but ^ and $ mean a line's ends to the one
// and the text's to the other, and what \w, \b and \h mean in the second is not supported.
enum class Dialect : uint8_t {
  oniguruma,  // tokenizer.json
  rust,       // tiktoken and what stands on it
};

// A compiled expression. What it can tell apart about characters is a small number of classes, so
// text is first written as one class byte a character and PCRE2 matches those: the classes are
// those of the reference package, whatever Unicode version PCRE2 has, and invalid bytes need no
// care. Threads: const calls may run together.
class Pattern {
 public:
  // Supported: alternation, groups (plain, (?:), (?i:), look-around, atomic), classes, . \s \d \w
  // \h \p{..} and their negations, \A \z \Z ^ $ \b \B, greedy, lazy and possessive repeats. Throws
  // Error naming what it does not support and its column.
  explicit Pattern(std::string_view expression, Dialect dialect = Dialect::oniguruma);
  // The text itself.
  static Pattern literal(std::string_view text);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  // Appends the matches within text[part], which is matched as a text of its own, from left to
  // right. Throws Error when the match needs more memory than it may use.
  void find_all(std::string_view text, ByteRange part, Reading reading,
                std::vector<ByteRange>& matches) const;
  // Whether between these neighbours a match begins or ends in every text, and the matches on
  // neither side depend on the other side. Needs Reading::utf8. Worked out on the first call.
  bool certain_border(char32_t left, char32_t right) const;
  // As it was written; empty for a literal().
  std::string_view expression() const;
  // Oniguruma's, too, when both read the expression alike.
  Dialect dialect() const;
  // The text of a literal(), else empty.
  std::string_view literal_text() const;

 private:
  struct Compiled;
  Pattern();
  std::unique_ptr<Compiled> compiled_;
};

// The 256 characters with which byte-level vocabularies write bytes.
char32_t byte_level_character(unsigned char byte);
// The byte that `code` stands for, or -1.
int byte_level_byte(char32_t code);

}  // namespace tessera
