#include "tessera/eval/repro_cabrita.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/eval/repro_texts.h"
#include "tessera/tokenizer/train/extend.h"

namespace tessera {
namespace {

using Lines = std::vector<std::string>;

constexpr ReproTextsShape kShape{
    .training = 24500, .held_out = 3000, .distinct = true, .shortest = 40};
constexpr EncodeOptions kContent{.add_template = false};
constexpr int64_t kBase = 8000, kNew = 4957;

struct Measured {
  int64_t base = 0, added = 0;  // tokens of the held-out lines of both languages
  double changed = 0;           // share of the base language's lines that are cut otherwise
};

double percent(int64_t part, int64_t whole) {
  return 100 * (static_cast<double>(part) / static_cast<double>(whole) - 1);
}

bool same_old_part(const Tokenizer& before, const Tokenizer& after) {
  for (TokenId id = 0; id < before.vocabulary().size(); ++id) {
    if (before.vocabulary().bytes(id) != after.vocabulary().bytes(id)) return false;
  }
  return true;
}

bool comes_back(const Tokenizer& tokenizer, const Lines& lines) {
  return std::all_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return tokenizer.decode(tokenizer.encode(line, kContent).ids) == line;
  });
}

}  // namespace

ReproResult repro_cabrita(const ReproRequest& request) {
  const ReproTexts base = repro_texts(request.sources, kShape, "en-us");
  const auto named = request.with.find("language");
  if (named == request.with.end()) {
    throw Error("--with language=FILE", "is missing: texts of the language to be added",
                "bench/texts.py pt-br makes one.");
  }
  const ReproTexts added = repro_texts({named->second}, kShape, "pt-br");
  const ReproLines base_lines(base.training), added_lines(added.training);
  const std::string base_json = trained_json_for_repro(base_lines, request, "bpe", kBase);
  const std::string own_json = trained_json_for_repro(added_lines, request, "bpe", kBase);
  const ReproLines base_file(Lines{base_json}), own_file(Lines{own_json});
  const auto before = parse_tokenizer_json(base_json, "the base");

  ReproResult out;
  const auto measure = [&](const std::string& name, const Tokenizer& tokenizer) {
    Measured m;
    m.base = tokens_of(tokenizer, base.held_out);
    m.added = tokens_of(tokenizer, added.held_out);
    int64_t changed = 0;
    for (const std::string& line : base.held_out) {
      const auto a = before->encode(line, kContent), b = tokenizer.encode(line, kContent);
      changed += a.spans != b.spans;
    }
    m.changed = static_cast<double>(changed) / static_cast<double>(base.held_out.size());
    const auto put = [&](const char* what, double value, size_t n) {
      out.figures.push_back({name, what, value, value, value, static_cast<int64_t>(n)});
    };
    put("tokens, the base's language", static_cast<double>(m.base), base.held_out.size());
    put("tokens, the new language", static_cast<double>(m.added), added.held_out.size());
    put("lines of the base's language cut otherwise, %", 100 * m.changed, base.held_out.size());
    return m;
  };
  const Measured plain = measure("base", *before);
  const Measured own = measure("the new language's own", *parse_tokenizer_json(own_json, "own"));

  TrainingTextsOptions texts_options;
  texts_options.shape.lines = true;
  texts_options.progress = request.progress;
  TrainingTexts texts({added_lines.path()}, texts_options);
  TrainingRequest training;
  training.vocab_size = before->vocabulary().size() + kNew;
  training.threads = request.threads;
  training.progress = request.progress;
  const ExtendedTokenizer went_on = extend_by_texts(base_file.path(), texts, training);
  const ExtendedTokenizer appended =
      extend_by_vocabulary(base_file.path(), own_file.path(), training.vocab_size);
  struct Way {
    const char* name;
    const ExtendedTokenizer& made;
    std::shared_ptr<const Tokenizer> tokenizer;
    Measured measured = {};
  };
  Way ways[] = {{"extended, continue", went_on, parse_tokenizer_json(went_on.file, "extended")},
                {"extended, append", appended, parse_tokenizer_json(appended.file, "appended")}};
  bool old_part = true, lossless = true;
  for (Way& way : ways) {
    way.measured = measure(way.name, *way.tokenizer);
    old_part = old_part && same_old_part(*before, *way.tokenizer);
    lossless = lossless && comes_back(*way.tokenizer, base.held_out) &&
               comes_back(*way.tokenizer, added.held_out);
    const auto unreachable = static_cast<double>(way.made.unreachable.size());
    out.figures.push_back({way.name, "new tokens that nothing gives", unreachable, unreachable,
                           unreachable, way.made.after - way.made.before});
  }
  const auto fewer = [&](const Way& way) { return -percent(way.measured.added, plain.added); };
  const auto drift = [&](const Way& way) { return percent(way.measured.base, plain.base); };
  out.claims.push_back(
      {"the new language costs far fewer tokens", "\"significant reduction\"; 40 to 55 % expected",
       fmt::format("{:.0f} % fewer by continue, {:.0f} % by append; {:.0f} % with a vocabulary of "
                   "its own",
                   fewer(ways[0]), fewer(ways[1]), -percent(own.added, plain.added)),
       verdict_of(fewer(ways[0]) >= 40)});
  out.claims.push_back(
      {"the base's language changes by less than 3 %",
       "not measured in the paper; +1.5 % by script, -0.4 % by append",
       fmt::format("{:+.1f} % by continue, {:+.1f} % by append", drift(ways[0]), drift(ways[1])),
       verdict_of(std::abs(drift(ways[0])) < 3 && std::abs(drift(ways[1])) < 3)});
  out.claims.push_back({"old ids stand for the same bytes, and every line comes back", "by design",
                        old_part && lossless ? "all of them, in both languages" : "not all",
                        verdict_of(old_part && lossless)});
  out.claims.push_back({"going on from the base's merges leaves no new token that nothing gives",
                        "not in the paper; 368 to 454 of the merged ones never appear",
                        fmt::format("{} by continue, {} by append", went_on.unreachable.size(),
                                    appended.unreachable.size()),
                        verdict_of(went_on.unreachable.empty())});
  return out;
}

}  // namespace tessera
