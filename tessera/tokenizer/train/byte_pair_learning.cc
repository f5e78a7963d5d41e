#include "tessera/tokenizer/train/byte_pair_learning.h"

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/text/utf8.h"

namespace tessera {
namespace {

constexpr int64_t kAlways = std::numeric_limits<int64_t>::max();

// Calls visit(character, is the first, is the last) for every character of a word; bytes that are
// none are left out, and counted.
template <class Visit>
int64_t each_character(std::string_view word, Reading reading, const Visit& visit) {
  int64_t invalid = 0;
  for (size_t i = 0; i < word.size();) {
    Unit u{byte_level_character(static_cast<unsigned char>(word[i])), 1};
    if (reading == Reading::utf8) u = unit_at(word, i);
    const size_t end = i + u.length;
    if (u.code >= kInvalidByte) {
      ++invalid;
    } else {
      visit(u.code, i == 0, end == word.size());
    }
    i = end;
  }
  return invalid;
}

std::string text_of(char32_t code) {
  std::string out;
  append_unit(out, code);
  return out;
}

class Learning {
 public:
  Learning(const WordCounts& counts, Reading reading, const BytePairOptions& options,
           const TrainingRequest& request)
      : counts_(counts), reading_(reading), options_(options), request_(request) {}

  LearnedBytePairs learn() {
    for (const std::string& special : request_.specials) add(special);
    make_alphabet();
    if (!options_.continuing_prefix.empty() || !options_.end_suffix.empty()) add_marked_symbols();
    const auto least = static_cast<int64_t>(out_.tokens.size());
    if (request_.vocab_size < least) {
      throw Error(fmt::format("--vocab-size {}", request_.vocab_size),
                  fmt::format("cannot hold {} special tokens and symbols of the alphabet", least),
                  fmt::format("{} is the least that works; limit-alphabet makes it less.", least));
    }
    out_.alphabet = least;
    merge();
    return std::move(out_);
  }

 private:
  uint32_t add(const std::string& text) {
    const auto [place, added] = ids_.try_emplace(text, static_cast<uint32_t>(out_.tokens.size()));
    if (added) out_.tokens.push_back(text);
    return place->second;
  }

  void make_alphabet() {
    std::map<char32_t, int64_t> alphabet;
    int64_t invalid = 0;
    for (const CountedWord& word : counts_.words) {
      invalid += each_character(word.word, reading_,
                                [&](char32_t code, bool, bool) { alphabet[code] += word.count; });
    }
    if (invalid > 0) {
      out_.notes.push_back(fmt::format(
          "{} different words hold bytes that are no UTF-8; these bytes were left out.", invalid));
    }
    each_character(options_.initial_alphabet, Reading::utf8,
                   [&](char32_t code, bool, bool) { alphabet[code] = kAlways; });
    for (unsigned b = 0; options_.all_bytes && reading_ == Reading::byte_level && b < 256; ++b) {
      alphabet[byte_level_character(static_cast<unsigned char>(b))] = kAlways;
    }
    std::vector<std::pair<char32_t, int64_t>> kept(alphabet.begin(), alphabet.end());
    if (const auto most = static_cast<size_t>(options_.limit_alphabet);
        most > 0 && kept.size() > most) {
      // Of equally frequent ones the first code points stay.
      std::stable_sort(kept.begin(), kept.end(),
                       [](const auto& a, const auto& b) { return a.second > b.second; });
      kept.resize(most);
      std::sort(kept.begin(), kept.end());
    }
    for (const auto& [code, count] : kept) kept_[code] = add(text_of(code));
  }

  // A symbol as it stands in a word, with what goes in front of it and behind it.
  std::string marked(char32_t code, bool first, bool last) const {
    std::string text = text_of(code);
    if (!first) text.insert(0, options_.continuing_prefix);
    if (last) text += options_.end_suffix;
    return text;
  }

  // In the order of their text, which words and threads do not change.
  void add_marked_symbols() {
    std::map<std::string, bool> found;
    for (const CountedWord& word : counts_.words) {
      each_character(word.word, reading_, [&](char32_t code, bool first, bool last) {
        if (kept_.contains(code)) found[marked(code, first, last)] = true;
      });
    }
    for (const auto& [text, known] : found) add(text);
  }

  void merge() {
    PairMerger merger(out_.tokens, {.vocab_size = request_.vocab_size,
                                    .min_frequency = options_.min_frequency,
                                    .max_token_length = options_.max_token_length,
                                    .continuing_prefix = options_.continuing_prefix});
    const bool plain = options_.continuing_prefix.empty() && options_.end_suffix.empty();
    std::vector<uint32_t> symbols;
    for (const CountedWord& word : counts_.words) {
      symbols.clear();
      each_character(word.word, reading_, [&](char32_t code, bool first, bool last) {
        const auto kept = kept_.find(code);
        if (kept == kept_.end()) return;
        symbols.push_back(plain ? kept->second : ids_.at(marked(code, first, last)));
      });
      merger.add_word(symbols, word.count);
    }
    ProgressOptions shown;
    shown.label = "merging pairs";
    shown.unit = "tokens";
    shown.total = request_.vocab_size - out_.alphabet;
    shown.sink = request_.progress;
    Progress progress(shown);
    out_.merges = merger.run([&] { progress.advance(); });
    progress.finish();
    out_.tokens = merger.tokens();
    if (static_cast<int64_t>(out_.tokens.size()) < request_.vocab_size) {
      out_.notes.push_back(
          fmt::format("the texts ran out of pairs: {} tokens instead of {}. More text, or a lower "
                      "min-frequency, gives more.",
                      out_.tokens.size(), request_.vocab_size));
    }
  }

  const WordCounts& counts_;
  Reading reading_;
  const BytePairOptions& options_;
  const TrainingRequest& request_;
  LearnedBytePairs out_;
  std::unordered_map<std::string, uint32_t> ids_;
  std::unordered_map<char32_t, uint32_t> kept_;
};

}  // namespace

LearnedBytePairs learn_byte_pairs(const WordCounts& counts, Reading reading,
                                  const BytePairOptions& options, const TrainingRequest& request) {
  expect_text(!counts.words.empty());
  return Learning(counts, reading, options, request).learn();
}

TrainedTokenizer trained(std::string json, const LearnedBytePairs& learned,
                         const WordCounts& counts, const TrainingTexts& texts) {
  TrainedTokenizer out;
  out.json = std::move(json);
  out.tokens = static_cast<int64_t>(learned.tokens.size());
  out.bytes = texts.bytes_read();
  out.words = counts.total;
  out.distinct = counts.distinct;
  out.notes = notes_of(counts, texts);
  out.notes.insert(out.notes.end(), learned.notes.begin(), learned.notes.end());
  return out;
}

}  // namespace tessera
