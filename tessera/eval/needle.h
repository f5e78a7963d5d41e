// Needles: a number is said once somewhere in a long text, and asked for at its end. Generators
// that give the same bytes for the same seed on any machine, an exact solver, and the scorer.
// Sources: Hsieh et al. 2024, "RULER", arXiv 2404.06654, section 3.1 (wording of the keyed needle);
// Mohtashami and Jaggi 2023, "Landmark Attention", arXiv 2305.16300, section 4.2 (pass key).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/random.h"

namespace tessera {

enum class NeedleKind : uint8_t {
  keyed,    // "One of the special magic numbers for KEY is: N.", and what KEY's number is
  passkey,  // "The pass key is N. Remember it. N is the pass key.", and what the pass key is
};

enum class NeedleUnit : uint8_t {
  digits5,  // no leading zero
  digits7,
  hex8,
  uuid,  // lower case
};

// A value of the unit, any of them as likely as any other.
std::string random_value(Random& random, NeedleUnit unit);

struct NeedleOptions {
  NeedleKind kind = NeedleKind::keyed;
  NeedleUnit unit = NeedleUnit::digits7;
  uint64_t seed = 1;
  int64_t others = 0;  // keyed: further needles with other keys, at random places
};

// Sentences of a text, its bytes in order: cut after a full stop, a question or an exclamation
// mark (also their full-width forms) before white space, and at the ends of paragraphs.
std::vector<std::string> sentences_of(std::string_view text);

// `count` sentences for whoever brings no text: plain, without digits.
std::vector<std::string> made_up_sentences(uint64_t seed, int64_t count);

// "amber-anchor"; with three parts there is another adjective in front.
std::string random_key(Random& random, int parts = 2);

// The largest n from `least` to `most` that fits, where what fits is smaller than what does not; 0
// when `least` does not. `fits` is called last with something else than the result.
int64_t largest_that_fits(int64_t least, int64_t most, const std::function<bool(int64_t)>& fits);

struct NeedleItem {
  std::string text;      // the haystack with its needles
  std::string question;  // to be asked after it
  std::string answer;
  // Of a task that asks for several values; `answer` is then all of them, with commas.
  std::vector<std::string> answers = {};
  std::string cue = {};  // words with which the answer is begun
  double depth = 0;      // share of the haystack's sentences that stand before the needle
  // What a prompt is made of them: the text, an empty line, the question.
  std::string prompt() const { return text + "\n\n" + question; }
};

// The item number `index` whose prompt is as long as fits `room` by `length`, which measures a
// prompt in tokens and may be called a few dozen times; `haystack` is read from a random sentence
// on, round its end. The needle stands at `depth` (0 .. 1). Throws Error when the haystack has no
// sentence, and when even one sentence does not fit.
NeedleItem make_needle(const NeedleOptions& options, const std::vector<std::string>& haystack,
                       double depth, uint64_t index, int64_t room,
                       const std::function<int64_t(const std::string&)>& length);

// The answer that the prompt's own text gives; "" when it gives none.
std::string solve_needle(const NeedleOptions& options, std::string_view prompt);

// Whether an output holds the answer, neither preceded nor followed by more letters or digits.
bool holds_answer(std::string_view output, std::string_view answer);

// Wilson's 95 % interval of `right` out of `n`.
struct Interval {
  double low = 0, high = 1;
};
Interval wilson(int64_t right, int64_t n);
// The same for a mean of scores between 0 and 1, of which none is known to be independent within an
// item.
Interval wilson_of_share(double p, int64_t n);

}  // namespace tessera
