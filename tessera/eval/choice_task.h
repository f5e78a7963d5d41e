// Tasks of choosing one of several answers: from what a person has labelled, or made from any text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// The answers stand where the prompt ends, each with the space in front of it.
struct ChoiceItem {
  std::string text;  // what the item is about, by which items are told apart
  std::string prompt;
  std::vector<std::string> choices;
  int64_t gold = 0;
};

struct LabelledText {
  std::string text, label;
};

struct LabelledOptions {
  // What is asked; {text} stands for the text, the answer follows.
  std::string prompt = "Text: {text}\nLabel:";
  int64_t shots = 0;  // examples with their labels in front of each question
  uint64_t seed = 1;
};

// One item a text, each with all labels as choices; the first `shots` texts of a shuffled order are
// the examples and no items. A text that stands there twice counts once. Throws Error for fewer
// than two labels, a template without {text}, and too few texts.
std::vector<ChoiceItem> labelled_items(const std::vector<LabelledText>& texts,
                                       const LabelledOptions& options);

struct ClozeOptions {
  int64_t context = 2;  // sentences in front of the one whose last word is asked for, at most
  int64_t choices = 10;
  uint64_t seed = 1;
};

// Items of a text: some sentences in a row, the last of them without its last word, which is to be
// told from other words of the text of about its length. At most `count`, from different sentences
// in a random order. Throws Error for a text with too few sentences or words.
std::vector<ChoiceItem> cloze_items(std::string_view text, int64_t count,
                                    const ClozeOptions& options);

// An order of n things, the same for the same seed on any machine.
std::vector<size_t> shuffled(size_t n, uint64_t seed, uint64_t stream);

}  // namespace tessera
