#include "tessera/tokenizer/train/lzw_trainer.h"

#include <fmt/format.h>

#include "tessera/tokenizer/train/greedy_dictionary.h"

namespace tessera {
namespace {

class LzwTrainer : public Trainer {
 public:
  explicit LzwTrainer(const LzwTrainerOptions& options) : options_(options) {}

  bool reads_in_order() const override { return true; }

  TrainedTokenizer train(TrainingTexts& texts, const TrainingRequest& asked) const override {
    const TrainingRequest request = greedy_request(asked, options_.unknown);
    const CuttingParts parts = byte_cutting(request);
    const auto specials = static_cast<int64_t>(request.specials.size());
    check_room(request, specials + 256, "special tokens and bytes");
    LzwDictionary dictionary(static_cast<size_t>(request.vocab_size - specials),
                             static_cast<size_t>(options_.max_length));
    TextCutter cutter(parts);
    TextSample sample;
    int64_t used = 0;
    texts.read(
        1, [&](std::string_view text) { return cutter.place_to_cut(text); },
        [&](const TextBlock& block, size_t) {
          sample.add(block);
          cutter.cut(block, [&](const char* word, size_t size) {
            if (dictionary.full()) return;
            dictionary.read({word, size});
            used += static_cast<int64_t>(size);
          });
        });
    expect_text(texts.bytes_read() > 0);
    const std::vector<std::string> tokens = dictionary.entries();
    TrainedTokenizer out;
    out.json = greedy_text(tokens, parts, request, options_.unknown, sample);
    out.tokens = specials + static_cast<int64_t>(tokens.size());
    out.bytes = texts.bytes_read();
    if (dictionary.full()) {
      out.notes.push_back(fmt::format(
          "the dictionary was full after {} of {} bytes; the texts behind them were not learned "
          "from.",
          used, out.bytes));
    }
    note_shortage(out.notes, "new strings", out.tokens, request);
    return out;
  }

 private:
  LzwTrainerOptions options_;
};

}  // namespace

LzwDictionary::LzwDictionary(size_t size, size_t max_length)
    : size_(size), max_length_(max_length) {
  for (uint32_t byte = 0; byte < 256; ++byte) {
    entries_.push_back({byte, static_cast<unsigned char>(byte), 1});
  }
}

void LzwDictionary::read(std::string_view text) {
  for (size_t at = 0; at < text.size() && !full();) {
    uint32_t entry = static_cast<unsigned char>(text[at++]);
    for (; at < text.size(); ++at) {
      const auto next = static_cast<unsigned char>(text[at]);
      const auto known = longer_.find(uint64_t{entry} << 8 | next);
      if (known != longer_.end()) {
        entry = known->second;
        continue;
      }
      if (max_length_ == 0 || entries_[entry].length < max_length_) {
        longer_.emplace(uint64_t{entry} << 8 | next, static_cast<uint32_t>(entries_.size()));
        entries_.push_back({entry, next, entries_[entry].length + 1});
      }
      break;
    }
  }
}

std::vector<std::string> LzwDictionary::entries() const {
  std::vector<std::string> out;
  out.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    std::string text = entry.length == 1 ? std::string() : out[entry.parent];
    text += static_cast<char>(entry.last);
    out.push_back(std::move(text));
  }
  return out;
}

std::unique_ptr<Trainer> lzw_trainer(const LzwTrainerOptions& options) {
  return std::make_unique<LzwTrainer>(options);
}

}  // namespace tessera
