#include "tessera/tokenizer/train/sp_unigram_trainer.h"

#include <algorithm>
#include <unordered_map>

#include "tessera/text/utf8.h"
#include "tessera/tokenizer/train/unigram_pieces.h"

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
    TrainingRequest counting = request;
    counting.memory = memory_beside_seeds(request.memory);
    SentencePieceTexts counted(texts, options_.text, counting, true);
    SpelledWords words;
    counted.each_word([&](std::span<const char32_t> codes, int64_t count, char32_t followed) {
      words.add(codes, count, followed);
    });
    return counted.finish(finish(words, learn(words, request), counted), SentencePieceKind::unigram,
                          texts);
  }

 private:
  std::vector<LearnedPiece> learn(const SpelledWords& words, const TrainingRequest& request) const {
    const PieceLaw law(options_.text);
    return find_pieces(words,
                       {.longest = static_cast<size_t>(options_.text.max_piece_length),
                        .most = static_cast<size_t>(options_.seeds),
                        .seeds = {.by_count = true,
                                  .by_bytes = true,
                                  .allowed = [&](std::span<const char32_t> c) { return law(c); }},
                        .learning = {.target = static_cast<size_t>(request.vocab_size),
                                     .shrinking_factor = options_.shrinking_factor,
                                     .rounds = options_.rounds,
                                     .threads = request.threads,
                                     .rules = UnigramRules::sentence_piece}},
                       request.progress);
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
      others.push_back({text_of(words, p), score});
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
