#include "tessera/tokenizer/train/sp_unigram_trainer.h"

#include <algorithm>
#include <unordered_map>

#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/train/unigram_learning.h"

namespace tessera {
namespace {

using Scored = SentencePieceTexts::Scored;

// Between the scores of characters that lost their place on the way.
constexpr float kStep = 0.0001F;

class SpUnigramTrainer : public Trainer {
 public:
  explicit SpUnigramTrainer(const SpUnigramTrainerOptions& options) : options_(options) {}

  bool makes_json() const override { return !options_.text.space_as_suffix; }
  bool makes_sentence_piece() const override { return true; }

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& request) const override {
    SentencePieceTexts counted(texts, options_.text, request, true);
    SpelledWords words;
    counted.each_word([&](std::span<const char32_t> codes, int64_t count, char32_t followed) {
      words.add(codes, count, followed);
    });
    return counted.finish(finish(words, learn(words, request), counted), SentencePieceKind::unigram,
                          texts);
  }

 private:
  std::vector<LearnedPiece> learn(const SpelledWords& words, const TrainingRequest& request) const {
    ProgressOptions shown;
    shown.label = "looking for pieces";
    shown.unit = "characters";
    shown.total = static_cast<int64_t>(words.text.size());
    shown.sink = request.progress;
    Progress seeding(shown);
    const PieceLaw law(options_.text);
    std::vector<SeedPiece> seeds = seed_pieces(
        words, static_cast<size_t>(options_.text.max_piece_length),
        static_cast<size_t>(options_.seeds),
        {.by_count = true, .by_bytes = true, .allowed = [&](std::span<const char32_t> c) {
           return law(c);
         }});
    seeding.advance(shown.total);
    seeding.finish();
    if (seeds.empty()) {
      throw Error("the texts", "hold no character that may be a piece", "Give more text.");
    }
    shown.label = "pruning pieces";
    shown.unit = "pieces";
    const auto first = static_cast<int64_t>(seeds.size());
    shown.total = std::max<int64_t>(1, first - request.vocab_size);
    Progress pruning(shown);
    return learn_unigram(
        words, std::move(seeds),
        {.target = static_cast<size_t>(request.vocab_size),
         .shrinking_factor = options_.shrinking_factor,
         .rounds = options_.rounds,
         .threads = request.threads,
         .rules = UnigramRules::sentence_piece},
        [&](size_t left) { pruning.advance(first - static_cast<int64_t>(left) - pruning.done()); });
  }

  // The whole alphabet, then the best pieces; by score, equals by text.
  static std::vector<Scored> finish(const SpelledWords& words,
                                    const std::vector<LearnedPiece>& learned,
                                    const SentencePieceTexts& counted) {
    std::unordered_map<char32_t, float> characters;
    std::vector<Scored> others;
    float least = 0;
    for (const LearnedPiece& p : learned) {
      const auto score = static_cast<float>(p.score);
      least = std::min(least, score);
      if (p.length == 1) {
        characters.emplace(words.text[p.begin] - 1, score);
        continue;
      }
      Scored piece{{}, score};
      for (size_t i = 0; i < p.length; ++i) append_unit(piece.text, words.text[p.begin + i] - 1);
      others.push_back(std::move(piece));
    }
    std::vector<Scored> out;
    float penalty = 0;
    for (const auto& [code, count] : counted.alphabet()) {
      const auto known = characters.find(code);
      Scored piece{{}, known != characters.end() ? known->second : least + penalty};
      if (known == characters.end()) penalty += kStep;
      append_unit(piece.text, code);
      out.push_back(std::move(piece));
    }
    const auto better = [](const Scored& a, const Scored& b) {
      return a.score != b.score ? a.score > b.score : a.text < b.text;
    };
    std::sort(others.begin(), others.end(), better);
    const size_t room = counted.wanted() - out.size();
    if (others.size() > room) others.resize(room);
    out.insert(out.end(), std::make_move_iterator(others.begin()),
               std::make_move_iterator(others.end()));
    std::sort(out.begin(), out.end(), better);
    return out;
  }

  SpUnigramTrainerOptions options_;
};

}  // namespace

std::unique_ptr<Trainer> sp_unigram_trainer(const SpUnigramTrainerOptions& options) {
  return std::make_unique<SpUnigramTrainer>(options);
}

}  // namespace tessera
