#include "tessera/tokenizer/terms.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tessera/text/corpus.h"

namespace tessera {
namespace {

constexpr std::string_view kLegal[] = {"11 U.S.C. \xC2\xA7 362(a)",
                                       "res judicata",
                                       "stare decisis",
                                       "habeas corpus",
                                       "certiorari",
                                       "de novo review",
                                       "28 C.F.R. \xC2\xA7 14.2(a)",
                                       "42 U.S.C. \xC2\xA7 1983",
                                       "Fed. R. Civ. P. 12(b)(6)",
                                       "prima facie"};
constexpr std::string_view kFinancial[] = {"EBITDA",
                                           "P/E ratio",
                                           "10-K filing",
                                           "SEC Form 8-K",
                                           "quarterly dividend",
                                           "year-over-year growth",
                                           "Basel III compliance",
                                           "GAAP accounting",
                                           "ROI analysis",
                                           "market capitalization"};

constexpr int64_t kDocument = 100;  // lines
constexpr size_t kShortest = 3, kMostPairs = 1000000;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

std::span<const std::string_view> known_terms(std::string_view list) {
  if (list == "legal") return kLegal;
  if (list == "financial") return kFinancial;
  return {};
}

TermCost term_cost(const Tokenizer& tokenizer, std::string_view term) {
  constexpr EncodeOptions kContent{.add_template = false};
  const std::string front = "a";
  return {tokenizer.count(term, kContent),
          tokenizer.count(front + " " + std::string(term), kContent) -
              tokenizer.count(front, kContent)};
}

void WordPairs::add(std::string_view text) {
  each_line(text, [&](std::string_view line) { add_line(line); });
}

void WordPairs::add_line(std::string_view line) {
  const int64_t document = lines_++ / kDocument;
  size_t first = 0, first_end = 0;  // the word before, if it ends where this one's space begins
  for (size_t at = 0; at < line.size();) {
    if (!is_letter(line[at])) {
      ++at;
      continue;
    }
    const size_t begin = at;
    while (at < line.size() && is_letter(line[at])) ++at;
    const bool follows = first_end > 0 && begin == first_end + 1 && line[first_end] == ' ';
    const bool whole = at - begin >= kShortest;
    if (follows && whole) {
      std::string pair(line.substr(first, at - first));
      auto place = found_.find(pair);
      if (place == found_.end() && found_.size() < kMostPairs) {
        place = found_.emplace(std::move(pair), Found{}).first;
      }
      if (place != found_.end()) {
        Found& f = place->second;
        ++f.times;
        f.documents += f.last != document;
        f.last = document;
      }
    }
    first = begin;
    first_end = whole ? at : 0;
  }
}

std::vector<std::string> WordPairs::top(size_t count) const {
  const int64_t whole = (lines_ - 1) / kDocument + 1;
  const auto documents = static_cast<double>(whole);
  std::vector<std::pair<double, std::string_view>> all;
  all.reserve(found_.size());
  for (const auto& [pair, f] : found_) {
    all.emplace_back(
        -static_cast<double>(f.times) * std::log(documents / static_cast<double>(f.documents)),
        pair);
  }
  count = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<int64_t>(count), all.end());
  std::vector<std::string> out;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) out.emplace_back(all[i].second);
  return out;
}

}  // namespace tessera
