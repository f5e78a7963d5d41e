#include "tessera/eval/repro_infini_retri.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/eval/asked_model.h"
#include "tessera/eval/needle.h"
#include "tessera/eval/repro_texts.h"
#include "tessera/eval/repro_tools.h"
#include "tessera/use/reader.h"

namespace tessera {
namespace {

constexpr int64_t kBytes = 12000;  // of a document: four windows
constexpr int64_t kRoomForAnswer = 128;

// `other` shares no word with the fact that says what it is about.
struct Fact {
  std::string_view fact, same, other;
};
constexpr Fact kFacts[] = {
    {"The ferry to the northern island leaves the old harbour at twenty past six.",
     "When does the ferry to the northern island leave the old harbour?",
     "At what hour does the boat set off?"},
    {"The bakery on Mill Lane closes for the whole of February.",
     "When does the bakery on Mill Lane close?", "In which month can nobody buy bread there?"},
    {"The tallest tree in the botanical garden is a cedar of forty metres.",
     "What is the tallest tree in the botanical garden?",
     "Which plant in the park has the greatest height?"},
    {"The lighthouse was painted green after the storm.",
     "What colour was the lighthouse painted after the storm?",
     "Which hue does the tower by the sea have?"},
    {"The museum keeps the meteorite in a cellar below the library.",
     "Where does the museum keep the meteorite?", "In what place is the stone from space stored?"},
    {"The choir rehearses every Thursday in the chapel.",
     "On which day does the choir rehearse in the chapel?", "When do the singers practise?"},
    {"The recipe for the soup calls for nine cloves of garlic.",
     "How many cloves of garlic does the recipe for the soup call for?",
     "What quantity of seasoning goes into the broth?"},
    {"The bridge over the gorge was built by monks in three winters.",
     "Who built the bridge over the gorge?", "Which people made the crossing above the ravine?"},
    {"The goat of the innkeeper answers to the name Pepper.",
     "To which name does the goat of the innkeeper answer?",
     "What is the animal at the tavern called?"},
    {"The violin in the shop window costs eight hundred crowns.",
     "What does the violin in the shop window cost?",
     "How much money does one need for the musical instrument?"},
    {"The glacier above the village loses five metres of length a year.",
     "How many metres of length does the glacier above the village lose a year?",
     "By how much does the ice in the mountains shrink annually?"},
    {"The train to the coast stops at Ashford only on market days.",
     "On which days does the train to the coast stop at Ashford?",
     "When can railway passengers get off at the small station?"},
    {"The school on the hill teaches Latin to the youngest pupils only.",
     "To whom does the school on the hill teach Latin?",
     "Which children learn the language of the Romans?"},
    {"The clockmaker lost his left thumb to a church bell.",
     "What did the clockmaker lose to a church bell?",
     "Which part of the body is the repairer of watches missing?"},
    {"The orchard behind the mill yields forty baskets of quinces.",
     "How many baskets of quinces does the orchard behind the mill yield?",
     "What is the harvest of fruit in the garden?"},
    {"The widow of the admiral sold the sextant to a Danish collector.",
     "To whom did the widow of the admiral sell the sextant?",
     "Who bought the instrument of navigation?"},
    {"The tower of the castle leans four degrees to the west.",
     "How far does the tower of the castle lean to the west?",
     "By what angle is the fortress out of plumb?"},
    {"The swans on the pond are fed with barley at dawn.",
     "With what are the swans on the pond fed?", "What do the white birds eat?"},
    {"The opera house burned down on the evening of its third premiere.",
     "When did the opera house burn down?", "At what moment was the theatre destroyed by fire?"},
    {"The blacksmith of the valley is paid in salted trout.",
     "In what is the blacksmith of the valley paid?",
     "What does the man who shoes horses receive for his work?"},
    {"The letter of the poet lay hidden in a hollow walking stick.",
     "Where did the letter of the poet lie hidden?",
     "In what object was the writer's message concealed?"},
    {"The cave below the waterfall is home to blind crickets.",
     "What is the cave below the waterfall home to?", "Which insects live in the grotto?"},
    {"The mayor opens the carnival with a silver whistle.",
     "With what does the mayor open the carnival?",
     "Which thing does the head of the town blow at the start of the festival?"},
    {"The desert road is closed to lorries during the camel races.",
     "When is the desert road closed to lorries?",
     "On what occasion may heavy vehicles not cross the dunes?"},
};
constexpr auto kAll = static_cast<int64_t>(std::size(kFacts));
constexpr int64_t kStandard = 12;

struct Reading {
  const char* name;
  const char* spec;
  bool both;  // whether it is asked both ways, not in other words alone
};
enum Which : size_t { kMiddle, kLast, kWords, kVectors, kEnds, kRandom, kReaders };
constexpr Reading kReadings[kReaders] = {
    {"infini-retri", "infini-retri:always=on", true},
    // Twice as slow, and only the harder question tells it from the middle one.
    {"infini-retri, the last layer", "infini-retri:always=on,layer=last", false},
    {"bm25", "bm25:always=on", true},
    {"similar, with minilm", "similar:model=minilm,always=on", true},
    {"truncate", "truncate:always=on", true},
    {"random", "random:always=on", true},
};

bool is_installed(const std::string& model) {
  try {
    resolve_model(model);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Documents of kBytes from all over the sources, cut at white space.
std::vector<std::string> documents_of(const ReproRequest& request, int64_t count) {
  const std::string text = repro_text(request, count * kBytes);
  const auto pieces = static_cast<int64_t>(text.size()) / kBytes;
  std::vector<std::string> out;
  for (int64_t i = 0; i < count; ++i) {
    const auto begin = static_cast<size_t>(i * pieces / count * kBytes);
    const size_t from = text.find_first_of(" \n", begin);
    out.push_back(text.substr(from + 1, static_cast<size_t>(kBytes)));
  }
  return out;
}

struct Hidden {
  std::string document;
  int64_t begin = 0, end = 0;  // bytes of the fact
};

Hidden hide(const std::string& document, std::string_view fact, double depth) {
  const std::vector<std::string> sentences = sentences_of(document);
  const auto before = static_cast<size_t>(depth * static_cast<double>(sentences.size()));
  Hidden out;
  for (size_t i = 0; i < sentences.size(); ++i) {
    if (i == before) {
      out.document += ' ';
      out.begin = static_cast<int64_t>(out.document.size());
      out.document += fact;
      out.end = static_cast<int64_t>(out.document.size());
      out.document += ' ';
    }
    out.document += sentences[i];
  }
  return out;
}

struct Kept {
  bool fact = false;
  double share = 0;  // of the document's tokens
};

Kept read(AskedModel& model, const Reader& reader, const Hidden& hidden,
          const std::string& question) {
  const ChatFrame frame = model.frame(question);
  ReadTask task;
  task.document = hidden.document;
  task.question = question;
  task.encode = [&](std::string_view text) {
    EncodeOptions plain;
    plain.add_template = false;
    return model.tokenizer().encode(text, plain).ids;
  };
  task.before = frame.before_ids;
  task.after = frame.after_ids;
  task.question_begin = frame.question_begin;
  task.question_end = frame.question_end;
  task.network = &model.model().network();
  task.room = task.window = task.network->description().context - kRoomForAnswer;
  const ReadResult r = reader.read(task);
  Kept out;
  out.share =
      static_cast<double>(r.kept_tokens) / static_cast<double>(std::max<int64_t>(r.tokens, 1));
  // Every byte of it: a sentence may be kept in parts.
  int64_t covered = 0;
  for (const Passage& p : r.kept) {
    covered += std::max<int64_t>(0, std::min(p.end, hidden.end) - std::max(p.begin, hidden.begin));
  }
  out.fact = covered == hidden.end - hidden.begin;
  return out;
}

}  // namespace

ReproResult repro_infini_retri(const ReproRequest& request) {
  const int64_t n = request.items > 0 ? request.items : kStandard;
  const std::vector<std::string> documents = documents_of(request, n);
  AskedModel model(request);
  const bool encoder = is_installed("minilm");
  ReproProgress progress(request, "infini-retri", "documents",
                         n * (2 * static_cast<int64_t>(kReaders) - (encoder ? 1 : 3)));
  ReproResult out;
  ReproFigure same[kReaders], other[kReaders], share[kReaders];
  for (size_t r = 0; r < kReaders; ++r) {
    if (r == kVectors && !encoder) continue;
    const auto reader = make_guest<Reader>(kReadings[r].spec);
    int64_t kept[2] = {};
    std::vector<double> shares;
    for (int64_t i = 0; i < n; ++i) {
      const Fact& fact = kFacts[i % kAll];
      const double depth = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
      const Hidden hidden = hide(documents[static_cast<size_t>(i)], fact.fact, depth);
      for (const bool others : {false, true}) {
        if (!others && !kReadings[r].both) continue;
        const Kept k = read(model, *reader, hidden, std::string(others ? fact.other : fact.same));
        kept[others ? 1 : 0] += k.fact ? 1 : 0;
        shares.push_back(k.share);
        progress.advance();
      }
    }
    const char* name = kReadings[r].name;
    if (kReadings[r].both) {
      same[r] = share_figure(name, "% of facts kept, asked in their words", kept[0], n);
      out.figures.push_back(same[r]);
    }
    other[r] = share_figure(name, "% of facts kept, asked in others", kept[1], n);
    share[r] = mean_figure(name, "% of the tokens kept", shares, 100);
    out.figures.insert(out.figures.end(), {other[r], share[r]});
  }
  const auto against = [&](const ReproFigure& a, const ReproFigure& b) {
    return fmt::format("{} against {}", figure_text(a), figure_text(b));
  };
  out.claims.push_back(
      {"a fact that is asked for in its own words is kept: 90 %",
       "needles in up to 1M tokens: 100 % (Qwen2.5-0.5B), full attention 45 % (up to 128k)",
       figure_text(same[kMiddle]), reaches(same[kMiddle], 90)});
  out.claims.push_back({"asked in other words, too: 80 %", "attention finds what words do not",
                        figure_text(other[kMiddle]), reaches(other[kMiddle], 80)});
  out.claims.push_back({"asked in other words, more than words find", "not in the paper: BM25",
                        against(other[kMiddle], other[kWords]),
                        is_above(other[kMiddle], other[kWords])});
  if (encoder) {
    out.claims.push_back({"asked in other words, more than the vectors of an encoder find",
                          "not in the paper: all-MiniLM-L6-v2",
                          against(other[kMiddle], other[kVectors]),
                          is_above(other[kMiddle], other[kVectors])});
  }
  out.claims.push_back({"at most a quarter of the tokens is kept",
                        "tokens at the answer's step cut by 90 to 95 %",
                        figure_text(share[kMiddle]), stays_below(share[kMiddle], 25)});
  out.claims.push_back(
      {"the last layer's attention does it", "the paper reads the last layer",
       against(other[kLast], other[kMiddle]),
       other[kLast].high < other[kMiddle].low ? ReproVerdict::fails : reaches(other[kLast], 80)});
  return out;
}

}  // namespace tessera
