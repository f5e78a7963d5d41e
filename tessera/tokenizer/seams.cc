#include "tessera/tokenizer/seams.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tessera/text/unicode.h"

namespace tessera {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

uint64_t pair_of(char32_t left, char32_t right) { return uint64_t{left} << 32 | right; }

bool is_space(char32_t code) {
  static const CodeBitmap space("space");
  return space[code];
}

}  // namespace

Unit unit_before(std::string_view text, size_t end) {
  text = text.substr(0, end);
  for (size_t back = std::min<size_t>(4, end); back > 1; --back) {
    const Unit u = unit_at(text, end - back);
    if (u.length == back) return u;
  }
  return unit_at(text, end - 1);
}

size_t last_seam(const Tokenizer& tokenizer, std::string_view text, size_t begin, size_t end,
                 size_t reach) {
  const size_t least = std::max(begin, end - std::min(end, reach));
  for (size_t at = end; at-- > least + 1;) {
    if (tokenizer.seam(text, at)) return at;
  }
  return begin;
}

std::string_view last_character(std::string_view text) {
  return text.substr(text.size() - unit_before(text, text.size()).length);
}

Seams::Seams(const AddedTokenMatcher& raw, const AddedTokenMatcher& normalised,
             const Normaliser* normaliser, const PreTokenizer* pre_tokenizer, const Model& model)
    : raw_(raw),
      normalised_(normalised),
      normaliser_(normaliser),
      pre_tokenizer_(pre_tokenizer),
      model_(model) {}

void Seams::AddedPairs::add(const AddedTokenMatcher& tokens) {
  for (const AddedToken& token : tokens.tokens()) {
    const std::string_view content = token.content;
    char32_t last = unit_at(content, 0).code;
    if (token.single_word) starts.insert(last);
    for (size_t at = unit_at(content, 0).length; at < content.size();) {
      const Unit u = unit_at(content, at);
      inside.insert(pair_of(last, u.code));
      last = u.code;
      at += u.length;
    }
    // A new stretch of text begins behind an added token, so that nothing may end there.
    ends.insert(last);
    if (token.left_strip || token.right_strip) take_spaces = true;
  }
}

bool Seams::AddedPairs::may_join(char32_t left, char32_t right) const {
  return inside.contains(pair_of(left, right)) || ends.contains(left) || starts.contains(right) ||
         (take_spaces && (is_space(left) || is_space(right)));
}

bool Seams::at(std::string_view text, size_t at) const {
  if (at == 0 || at >= text.size() || continues(text[at])) return false;
  const char32_t left = unit_before(text, at).code, right = unit_at(text, at).code;
  return left < kInvalidByte && right < kInvalidByte && between(left, right);
}

bool Seams::any() const {
  for (char32_t left = '~'; left >= ' '; --left) {
    for (char32_t right = ' '; right <= '~'; ++right) {
      if (between(left, right)) return true;
    }
  }
  return false;
}

bool Seams::between(char32_t left, char32_t right) const {
  if (left >= 128 || right >= 128) return prove(left, right);
  std::atomic<uint8_t>& known = ascii_[left * 128 + right];
  uint8_t answer = known.load(std::memory_order_relaxed);
  if (answer == 0) {
    answer = prove(left, right) ? 2 : 1;
    known.store(answer, std::memory_order_relaxed);
  }
  return answer == 2;
}

bool Seams::prove(char32_t left, char32_t right) const {
  std::call_once(once_, [this] {
    raw_pairs_.add(raw_);
    normalised_pairs_.add(normalised_);
  });
  if (raw_pairs_.may_join(left, right)) return false;
  std::string both;
  append_unit(both, left);
  const size_t size = both.size();
  append_unit(both, right);
  if (normaliser_) {
    if (!normaliser_->parts_between(left, right)) return false;
    const std::string alone(
        normaliser_->apply(AlignedText(std::string_view(both).substr(0, size))).text());
    const std::string changed(normaliser_->apply(AlignedText(both)).text());
    const size_t border = alone.size();
    if (border == 0 || border >= changed.size() || !changed.starts_with(alone)) return false;
    both = changed;
    left = unit_before(both, border).code;
    right = unit_at(both, border).code;
  }
  if (normalised_pairs_.may_join(left, right)) return false;
  if (pre_tokenizer_) return pre_tokenizer_->cuts_between(left, right);
  const Borders* borders = model_.cuts_at_borders() ? model_.borders() : nullptr;
  if (!borders) return false;
  std::string pair;
  append_unit(pair, left);
  const size_t middle = pair.size();
  append_unit(pair, right);
  std::vector<uint32_t> starts;
  borders->cut(pair, 0, pair.size(), starts);
  return std::find(starts.begin(), starts.end(), middle) != starts.end();
}

}  // namespace tessera
