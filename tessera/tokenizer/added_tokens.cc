#include "tessera/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "tessera/text/unicode.h"

namespace tessera {
namespace {

const CodeBitmap& word() {
  static const CodeBitmap set("word");
  return set;
}

const CodeBitmap& space() {
  static const CodeBitmap set("space");
  return set;
}

bool starts_with(const CodeBitmap& set, std::string_view text) {
  return !text.empty() && set[unit_at(text, 0).code];
}

// Where the last unit of text[0, end) begins.
size_t last_unit(std::string_view text, size_t end) {
  for (size_t back = std::min<size_t>(4, end); back > 1; --back) {
    Unit u = unit_at(text.substr(0, end), end - back);
    if (u.length == back) return end - back;
  }
  return end - 1;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && word()[unit_at(text, last_unit(text, text.size())).code];
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& t) { return t.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  size_t i = 0;
  for (size_t b = 0; b < 256; ++b) {
    first_[b] = static_cast<uint32_t>(i);
    if (i < tokens_.size() && static_cast<unsigned char>(tokens_[i].content[0]) == b) {
      leads_ += static_cast<char>(b);
    }
    while (i < tokens_.size() && static_cast<unsigned char>(tokens_[i].content[0]) == b) ++i;
  }
  first_[256] = static_cast<uint32_t>(i);
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text) const {
  auto lead = static_cast<unsigned char>(text[0]);
  auto low = tokens_.begin() + first_[lead], high = tokens_.begin() + first_[lead + 1U];
  const AddedToken* found = nullptr;
  // Tokens that share the first `depth` bytes with the text are neighbours.
  for (size_t depth = 1; low != high; ++depth) {
    if (low->content.size() == depth) {
      found = &*low;
      while (low != high && low->content.size() == depth) ++low;
    }
    if (depth >= text.size()) break;
    auto byte = static_cast<unsigned char>(text[depth]);
    auto below = [depth](const AddedToken& t, unsigned char b) {
      return static_cast<unsigned char>(t.content[depth]) < b;
    };
    auto above = [depth](unsigned char b, const AddedToken& t) {
      return b < static_cast<unsigned char>(t.content[depth]);
    };
    low = std::lower_bound(low, high, byte, below);
    high = std::upper_bound(low, high, byte, above);
  }
  return found;
}

// The next place at or behind `at` whose byte begins a token; the text's size when there is none.
size_t AddedTokenMatcher::next_lead(std::string_view text, size_t at) const {
  if (leads_.empty()) return text.size();
  if (leads_.size() <= kFewLeads) {
    // Without branches on what is found within a block, so that the compiler can use vectors.
    std::array<char, kFewLeads> leads{};
    for (size_t i = 0; i < kFewLeads; ++i) leads[i] = leads_[std::min(i, leads_.size() - 1)];
    constexpr size_t kBlock = 64;
    for (; at + kBlock <= text.size(); at += kBlock) {
      const char* block = text.data() + at;
      unsigned char any = 0;
      for (size_t i = 0; i < kBlock; ++i) {
        for (const char lead : leads) any |= static_cast<unsigned char>(block[i] == lead);
      }
      if (any != 0) break;
    }
  }
  for (; at < text.size(); ++at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (first_[lead] != first_[lead + 1U]) break;
  }
  return at;
}

void AddedTokenMatcher::split(std::string_view whole, ByteRange part,
                              const std::function<bool(ByteRange)>& special,
                              std::vector<AddedMatch>& out) const {
  std::string_view text = whole.substr(part.begin, part.size());
  auto give = [&](size_t begin, size_t end, TokenId id) {
    out.push_back({{part.begin + begin, part.begin + end}, id});
  };
  size_t done = 0;
  for (size_t at = 0; (at = next_lead(text, at)) < text.size();) {
    const AddedToken* token = longest_at(text.substr(at));
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->special && !special({part.begin + begin, part.begin + end})) continue;
    if (token->single_word &&
        (ends_with_word(text.substr(0, begin)) || starts_with(word(), text.substr(end)))) {
      continue;
    }
    if (token->left_strip) {
      while (begin > done) {
        size_t before = last_unit(text, begin);
        if (before < done || !space()[unit_at(text, before).code]) break;
        begin = before;
      }
    }
    if (token->right_strip) {
      while (starts_with(space(), text.substr(end))) end += unit_at(text, end).length;
    }
    begin = std::max(begin, done);
    if (begin > done) give(done, begin, -1);
    give(begin, end, token->id);
    done = end;
    at = std::max(at, end);
  }
  if (done < text.size()) give(done, text.size(), -1);
}

}  // namespace tessera
