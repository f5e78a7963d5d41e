#include "tessera/tokenizer/train/supertokens_trainer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/base/random.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/train/byte_pair_learning.h"
#include "tessera/tokenizer/train/byte_pair_text.h"
#include "tessera/tokenizer/train/tokenizer_text.h"

namespace tessera {
namespace {

constexpr int64_t kLongestChunk = 1000000;

// Reads a number from the front of `text`; false where there is none.
template <class Number>
bool take_number(std::string_view& text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

class SupertokensTrainer : public Trainer {
 public:
  explicit SupertokensTrainer(const SupertokensTrainerOptions& options)
      : options_(options),
        chunker_(options.chunks, static_cast<uint64_t>(options.seed), options.spaces) {}

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    if (!asked.pre_tokenizer.empty() || !asked.pattern.empty() || !asked.normaliser.empty()) {
      throw Error("--pre-tokenizer, --pattern and --normalizer",
                  "have no place in a model that cuts texts by chance and changes none");
    }
    TrainingRequest request = asked;
    request.specials = specials_with(asked, "");
    const CuttingParts parts = cutting_named("bytes");
    const WordCounts counts = count_words(
        texts,
        [this](const TextBlock& block, WordTable& table) {
          std::vector<size_t> ends;
          block.each_text([&](std::string_view text) {
            ends.clear();
            chunker_.cut(text, ends);
            size_t begin = 0;
            for (size_t end : ends) {
              table.add(text.substr(begin, end - begin));
              begin = end;
            }
          });
        },
        {}, request);
    const LearnedBytePairs learned = learn_byte_pairs(
        counts, Reading::byte_level,
        {.min_frequency = options_.min_frequency, .max_token_length = options_.max_token_length},
        request);
    return trained(byte_pair_text(learned, parts, request, {}), learned, counts, texts);
  }

 private:
  SupertokensTrainerOptions options_;
  Chunker chunker_;
};

}  // namespace

Chunker::Chunker(std::string_view ranges, uint64_t seed, double spaces)
    : seed_(seed), spaces_(spaces) {
  std::string_view left = ranges;
  double sum = 0;
  while (take(left, ' ')) {
  }
  while (!left.empty()) {
    int64_t least = 0, most = 0;
    double weight = 0;
    const bool read = take_number(left, least) && take(left, '-') && take_number(left, most) &&
                      take(left, '=') && take_number(left, weight);
    if (!read || least < 1 || most < least || most > kLongestChunk || !(weight >= 0) ||
        !std::isfinite(weight) || (!left.empty() && left.front() != ' ')) {
      throw Error("chunks", "is \"" + std::string(ranges) + "\"",
                  "Write ranges such as \"4-7=1 8-15=2\".");
    }
    least_.push_back(least);
    most_.push_back(most);
    weights_.push_back(weight);
    sum += weight;
    while (take(left, ' ')) {
    }
  }
  if (!(sum > 0) || !std::isfinite(sum)) {
    throw Error("chunks", "has weights that add up to nothing", "Give one range a weight.");
  }
  shortest_ = *std::min_element(least_.begin(), least_.end());
}

void Chunker::cut(std::string_view text, std::vector<size_t>& ends) const {
  Random random(seed_, hash_of(text));
  if (spaces_ > 0) {
    constexpr std::string_view kWhite = " \t\r\n\v\f";
    for (size_t at = 1; at < text.size(); ++at) {
      const bool begins = kWhite.find(text[at]) != std::string_view::npos &&
                          kWhite.find(text[at - 1]) == std::string_view::npos;
      if (begins && random.uniform() < spaces_) ends.push_back(at);
    }
    if (!text.empty()) ends.push_back(text.size());
    return;
  }
  int64_t left = 0;
  for (size_t at = 0; at < text.size(); at += unit_at(text, at).length) ++left;
  for (size_t at = 0; left > 0;) {
    const size_t range = random.categorical(weights_);
    const auto width = static_cast<uint64_t>(most_[range] - least_[range] + 1);
    int64_t length = least_[range] + static_cast<int64_t>(random.below(width));
    if (length > left || left < shortest_) length = left;
    for (int64_t i = 0; i < length; ++i) at += unit_at(text, at).length;
    ends.push_back(at);
    left -= length;
  }
}

std::unique_ptr<Trainer> supertokens_trainer(const SupertokensTrainerOptions& options) {
  return std::make_unique<SupertokensTrainer>(options);
}

}  // namespace tessera
