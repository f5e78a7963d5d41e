#include "tessera/tokenizer/known_patterns.h"

namespace tessera {
namespace {

constexpr std::string_view kThreeDigits =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kOneDigit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// In Oniguruma's dialect {1,3}+ repeats {1,3}, so that the first of these two takes any numbers.
constexpr std::string_view kCl100kAnyDigits =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)";
constexpr std::string_view kCl100k =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)";
// tiktoken's, with the text's end as Oniguruma writes it.
constexpr std::string_view kGpt2Converted =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+\z|\s+(?!\S)|\s)";
constexpr std::string_view kCl100kConverted =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s)";

}  // namespace

std::span<const KnownPattern> known_patterns() {
  using Kind = WordRule::Kind;
  using Contractions = WordRule::Contractions;
  constexpr auto kFolded = Contractions::folded, kAscii = Contractions::ascii;
  constexpr auto kNone = Contractions::none;
  static constexpr KnownPattern kTable[] = {
      {kGpt2Pattern, Dialect::oniguruma, {Kind::gpt2}},
      {kGpt2PatternShort, Dialect::oniguruma, {Kind::gpt2}},
      {kThreeDigits, Dialect::oniguruma, {Kind::cl100k, 3, false, kFolded}},
      {kOneDigit, Dialect::oniguruma, {Kind::cl100k, 1, false, kFolded}},
      {kCl100kAnyDigits, Dialect::oniguruma, {Kind::cl100k, 0, true, kFolded}},
      {kCl100k, Dialect::oniguruma, {Kind::cl100k, 3, true, kFolded}},
      {kO200kPattern, Dialect::oniguruma, {Kind::o200k, 3, false, kFolded}},
      {kTekkenPattern, Dialect::oniguruma, {Kind::o200k, 1, false, kNone}},
      {kThreeDigitsGgufPattern, Dialect::oniguruma, {Kind::cl100k, 3, false, kAscii}},
      {kOneDigitGgufPattern, Dialect::oniguruma, {Kind::cl100k, 1, false, kAscii}},
      {kNoContractionsGgufPattern, Dialect::oniguruma, {Kind::cl100k, 1, false, kNone}},
      {kBailingGgufPattern, Dialect::oniguruma, {Kind::cl100k, 1, false, kAscii}},
      {kGpt2Converted, Dialect::oniguruma, {Kind::gpt2}},
      {kCl100kConverted, Dialect::oniguruma, {Kind::cl100k, 3, true, kFolded}},
      // What the first says about white space that ends the text, GPT-2's own says, too.
      {kGpt2TiktokenPattern, Dialect::rust, {Kind::gpt2}},
      {kCl100kTiktokenPattern, Dialect::rust, {Kind::cl100k, 3, true, kFolded}},
      {kO200kPattern, Dialect::rust, {Kind::o200k, 3, false, kFolded}},
      {kTekkenPattern, Dialect::rust, {Kind::o200k, 1, false, kNone}},
  };
  return kTable;
}

std::optional<WordRule> word_rule(std::string_view pattern, Dialect dialect) {
  for (const KnownPattern& known : known_patterns()) {
    if (known.pattern == pattern && known.dialect == dialect) return known.rule;
  }
  return std::nullopt;
}

}  // namespace tessera
