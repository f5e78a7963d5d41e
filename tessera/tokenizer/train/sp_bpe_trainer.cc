#include "tessera/tokenizer/train/sp_bpe_trainer.h"

#include <unordered_map>

#include "tessera/base/progress.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/train/pair_merger.h"

namespace tessera {
namespace {

class SpBpeTrainer : public Trainer {
 public:
  explicit SpBpeTrainer(const SpBpeTrainerOptions& options) : options_(options) {}

  bool makes_json() const override { return !options_.text.space_as_suffix; }
  bool makes_sentence_piece() const override { return true; }

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& request) const override {
    SentencePieceTexts words(texts, options_.text, request, false);
    std::vector<std::string> characters;
    std::unordered_map<char32_t, uint32_t> ids;
    for (const auto& [code, count] : words.alphabet()) {
      ids.emplace(code, static_cast<uint32_t>(characters.size()));
      append_unit(characters.emplace_back(), code);
    }
    const size_t alphabet = characters.size();
    const PieceLaw law(options_.text);
    PairMerger merger(characters, {.vocab_size = static_cast<int64_t>(words.wanted()),
                                   .by_text = true,
                                   .allowed = [&](std::string_view text) { return law(text); }});
    std::vector<uint32_t> symbols;
    words.each_word([&](std::span<const char32_t> codes, int64_t count, char32_t) {
      // No pair has an unknown character, so that a word ends there.
      symbols.clear();
      for (char32_t code : codes) {
        if (code != SentencePieceTexts::kUnknown) {
          symbols.push_back(ids.at(code));
          continue;
        }
        merger.add_word(symbols, count);
        symbols.clear();
      }
      merger.add_word(symbols, count);
    });
    ProgressOptions shown;
    shown.label = "merging pairs";
    shown.unit = "pieces";
    shown.total = static_cast<int64_t>(words.wanted() - alphabet);
    shown.sink = request.progress;
    Progress progress(shown);
    merger.run([&] { progress.advance(); });
    progress.finish();
    // Merges in their order, then characters.
    const std::vector<std::string>& tokens = merger.tokens();
    std::vector<SentencePieceTexts::Scored> pieces;
    const auto add = [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        pieces.push_back({tokens[i], -static_cast<float>(pieces.size())});
      }
    };
    add(alphabet, tokens.size());
    add(0, alphabet);
    return words.finish(pieces, SentencePieceKind::bpe, texts);
  }

 private:
  SpBpeTrainerOptions options_;
};

}  // namespace

std::unique_ptr<Trainer> sp_bpe_trainer(const SpBpeTrainerOptions& options) {
  return std::make_unique<SpBpeTrainer>(options);
}

}  // namespace tessera
