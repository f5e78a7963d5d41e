// Encodes text unit by unit: words where a known rule cuts them, else what lies between borders
// that no token crosses. Units that were seen before are looked up, the others go through the
// model. Gives the ids of the plain path.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/parts.h"
#include "tessera/tokenizer/unit_cache.h"
#include "tessera/tokenizer/word_scanner.h"

namespace tessera {

// Immutable; const calls may run together, each with a State of its own.
class UnitEncoder {
 public:
  // What one call works with and the next one finds again.
  class State {
   public:
    State() = default;

   private:
    friend class UnitEncoder;
    std::unique_ptr<WordScanner> scanner;
    std::unique_ptr<Model::Runner> runner;
    std::unique_ptr<UnitCache> caches[2];  // without and with control tokens
    std::vector<uint32_t> starts, parts;
    std::vector<ByteRange> matches;
    std::vector<ModelToken> tokens;
    std::vector<TokenId> ids;
    std::string spelled;
    std::array<char, 1024 + 16> short_text{};
  };

  // None when the parts cut or spell text in a way that is not known here. The parts must outlive
  // the encoder.
  static std::unique_ptr<const UnitEncoder> make(const Normaliser* normaliser,
                                                 const PreTokenizer* pre_tokenizer,
                                                 const Model& model, int64_t vocabulary_size);

  // Whether encode() needs UTF-8.
  bool utf8_only() const { return marks_.utf8_only; }
  // Appends the ids of `text`, a stretch between added tokens, as it stands before the normaliser.
  void encode(std::string_view text, bool allow_control, State& state, IdBuffer& out) const;

 private:
  struct Call;

  UnitEncoder(const Normaliser* normaliser, const Model& model)
      : normaliser_(normaliser), model_(model) {}
  void encode_plain_words(std::string_view text, Call& call) const;
  void encode_words(std::string_view text, bool composing, Call& call) const;
  void encode_units(std::string_view text, size_t end, Call& call) const;
  void pattern_words(std::string_view text, size_t& at, Call& call) const;
  UnitCache::Value encode_miss(std::string_view unit, Call& call) const;
  void encode_unit(std::string_view unit, Call& call) const;

  const Normaliser* normaliser_;  // in front of words; null: none
  const Model& model_;
  bool runs_ = false;                          // the model encodes whole texts
  const PreTokenizer* plain_words_ = nullptr;  // cuts at white space and punctuation
  bool cuts_words_ = false;  // by this rule, and this pattern where the rule leaves some to it
  WordRule rule_;
  const Pattern* pattern_ = nullptr;
  SpaceMarks marks_;  // without words: how spaces are spelled
};

}  // namespace tessera
