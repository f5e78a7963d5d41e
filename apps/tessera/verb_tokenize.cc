#include <cstdio>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "apps/tessera/number_checks.h"
#include "apps/tessera/verb.h"
#include "tessera/base/error.h"
#include "tessera/base/progress.h"
#include "tessera/base/random.h"
#include "tessera/text/corpus.h"
#include "tessera/tokenizer/corpus_shards.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/model_tokenizer.h"
#include "tessera/tokenizer/token_counter.h"

namespace tessera::cli {
namespace {

struct TokenizeOptions {
  CommonOptions common;
  std::optional<std::string> text, pair;
  std::string file, special, output, dedup;
  std::optional<std::string> field;
  TiktokenOptions ranks;
  int64_t shard_tokens = CorpusShardOptions().shard_tokens;
  int64_t split = 0, best = 0;
  std::optional<double> rate;
  std::optional<uint64_t> seed;
  bool sample = false, lines = false, count = false, ids = false, decode = false,
       no_template = false, whole = false;
};

// Text for a terminal: what would move the cursor is written as an escape.
std::string printable(std::string_view text) {
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

class Printer {
 public:
  Printer(const Tokenizer& tokenizer, const TokenizeOptions& options)
      : tokenizer_(tokenizer), options_(options) {
    encode_.add_template = !options.no_template;
    encode_.special_in_text =
        options.special.empty() ? tokenizer.library_parses_control() : options.special == "on";
    encode_.file_lengths = !options.whole;
    if (options.sample) {
      encode_.sampling = Sampling{.seed = options.seed ? *options.seed : fresh_seed(),
                                  .rate = options.rate,
                                  .best = options.best};
    }
    refuse_control_ = options.special.empty() && tokenizer.library_refuses_control();
  }

  void text(std::string_view text) {
    if (refuse_control_) refuse_control(text);
    if (options_.best > 0 && !options_.sample) return best(text);
    if (encode_.sampling) ++encode_.sampling->stream;
    if (options_.pair) return pair(text, *options_.pair);
    if (options_.split > 0) return split(text);
    if (options_.count) return count(text.size(), tokenizer_.count(text, encode_));
    if (options_.ids) return ids(text);
    const Encoding found = tokenizer_.encode(text, encode_);
    if (options_.common.json) {
      json(found);
    } else {
      people(text, found);
    }
  }

 private:
  void refuse_control(std::string_view text) const {
    const auto found = tokenizer_.find_control(text);
    if (!found) return;
    const auto begin = static_cast<size_t>(found->begin), end = static_cast<size_t>(found->end);
    throw Error(fmt::format("the text: byte {}", begin),
                fmt::format("the special token {} stands there, which the format's own library "
                            "refuses",
                            text.substr(begin, end - begin)),
                "Take it as text with --special-in-text off, as a token with on.");
  }
  void split(std::string_view text) {
    const CountOptions count{encode_.add_template, encode_.special_in_text};
    fmt::memory_buffer line;
    auto out = std::back_inserter(line);
    for (ByteSpan piece : split_by_tokens(tokenizer_, text, options_.split, count)) {
      if (options_.common.json) {
        fmt::format_to(out, "{}[{},{}]", line.size() == 0 ? "" : ",", piece.begin, piece.end);
      } else {
        fmt::format_to(out, "{}\t{}\n", piece.begin, piece.end);
      }
    }
    const std::string_view pieces(line.data(), line.size());
    put(options_.common.json ? fmt::format("{{\"pieces\":[{}]}}\n", pieces) : std::string(pieces));
  }

  // The best ways: a line each.
  void best(std::string_view text) {
    fmt::memory_buffer lines;
    auto out = std::back_inserter(lines);
    for (const ScoredEncoding& way : tokenizer_.encode_best(text, options_.best, encode_)) {
      if (options_.common.json) {
        fmt::format_to(out, "{{\"score\":{},\"ids\":[{}]}}\n", way.score, fmt::join(way.ids, ","));
        continue;
      }
      fmt::format_to(out, "{:.4f}", way.score);
      for (const TokenId id : way.ids) {
        fmt::format_to(out, "\t{}", printable(tokenizer_.vocabulary().piece(id)));
      }
      fmt::format_to(out, "\n");
    }
    put({lines.data(), lines.size()});
  }

  // An array a text, which --decode reads.
  void ids(std::string_view text) {
    ids_.clear();
    tokenizer_.encode_ids(text, encode_, ids_);
    fmt::memory_buffer line;
    fmt::format_to(std::back_inserter(line), "[{}]\n", fmt::join(ids_.ids(), ","));
    put({line.data(), line.size()});
  }

  void count(size_t bytes, int64_t tokens) {
    if (options_.common.json) {
      fmt::print("{{\"bytes\":{},\"tokens\":{}}}\n", bytes, tokens);
    } else {
      fmt::print("{} bytes, {} tokens\n", bytes, tokens);
    }
  }

  void pair(std::string_view first, std::string_view second) {
    if (refuse_control_) refuse_control(second);
    const PairEncoding found = tokenizer_.encode_pair(first, second, encode_);
    if (options_.count) return count(first.size() + second.size(), found.ids.size());
    if (options_.common.json) {
      fmt::memory_buffer line = fields(found);
      fmt::format_to(std::back_inserter(line), ",\"type_ids\":[{}],\"texts\":[{}]}}\n",
                     fmt::join(found.type_ids, ","), fmt::join(found.texts, ","));
      return put({line.data(), line.size()});
    }
    for (size_t i = 0; i < found.ids.size(); ++i) {
      const std::string_view text = found.texts[i] == 1 ? second : first;
      const auto begin = static_cast<size_t>(found.spans[i].begin);
      const auto end = static_cast<size_t>(found.spans[i].end);
      fmt::print("{}\t{}\t{}\t{}\t{}\n", found.ids[i], found.type_ids[i], begin, end,
                 printable(begin == end ? tokenizer_.vocabulary().piece(found.ids[i])
                                        : text.substr(begin, end - begin)));
    }
  }

  void json(const Encoding& found) {
    fmt::memory_buffer line = fields(found);
    line.append(std::string_view("}\n"));
    put({line.data(), line.size()});
  }

  // The object without its end.
  static fmt::memory_buffer fields(const Encoding& found) {
    fmt::memory_buffer line;
    auto out = std::back_inserter(line);
    fmt::format_to(out, "{{\"ids\":[{}],\"spans\":[", fmt::join(found.ids, ","));
    for (size_t i = 0; i < found.spans.size(); ++i) {
      fmt::format_to(out, "{}[{},{}]", i ? "," : "", found.spans[i].begin, found.spans[i].end);
    }
    line.push_back(']');
    return line;
  }

  // On a terminal: tokens on alternating backgrounds, then their ids. Else: a token a line.
  void people(std::string_view text, const Encoding& found) {
    const bool colours = is_terminal(STDOUT_FILENO);
    std::string tokens, ids;
    for (size_t i = 0; i < found.ids.size(); ++i) {
      ByteSpan span = found.spans[i];
      std::string_view part =
          text.substr(static_cast<size_t>(span.begin), static_cast<size_t>(span.end - span.begin));
      std::string shown =
          printable(span.begin == span.end ? tokenizer_.vocabulary().piece(found.ids[i]) : part);
      if (!colours) {
        fmt::print("{}\t{}\t{}\t{}\n", found.ids[i], span.begin, span.end, shown);
        continue;
      }
      const int background = i % 2 ? 24 : 53;
      bool from_template = found.origins[i] == TokenOrigin::template_text;
      tokens +=
          fmt::format("\x1b[{}48;5;{};97m{}\x1b[0m", from_template ? "2;" : "", background, shown);
      ids += fmt::format("\x1b[48;5;{};97m{}\x1b[0m ", background, found.ids[i]);
    }
    if (colours) fmt::print("{}\n{}\n", tokens, ids);
  }

  const Tokenizer& tokenizer_;
  const TokenizeOptions& options_;
  EncodeOptions encode_;
  IdBuffer ids_;
  bool refuse_control_ = false;
};

void decode_line(const Tokenizer& tokenizer, std::string_view line, size_t number) {
  const std::string place = "line " + std::to_string(number);
  auto array = nlohmann::json::parse(line, nullptr, false);
  if (!array.is_array()) {
    throw Error(place, "is not a JSON array of ids", "Write one array a line, such as [1, 2, 3].");
  }
  const int64_t size = tokenizer.vocabulary().size();
  std::vector<TokenId> ids;
  for (const auto& element : array) {
    int64_t id = element.is_number_integer() ? element.get<int64_t>() : -1;
    if (id < 0 || id >= size) {
      throw Error(place, fmt::format("entry {} is not an id of this vocabulary, 0 to {}",
                                     ids.size(), size - 1));
    }
    ids.push_back(static_cast<TokenId>(id));
  }
  std::string text = tokenizer.decode(ids);
  put(text);
}

int write_shards(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  const std::string source = options.file.empty() ? "-" : options.file;
  CorpusShardOptions shards;
  shards.shape = {options.field.value_or("text"), options.lines};
  shards.add_template = !options.no_template;
  shards.special_in_text =
      options.special.empty() ? tokenizer.library_parses_control() : options.special == "on";
  shards.shard_tokens = options.shard_tokens;
  shards.dedup = options.dedup;
  shards.threads = options.common.threads > 0 ? options.common.threads : available_threads();
  std::optional<Progress> bar;
  if (is_terminal(STDERR_FILENO)) {
    ProgressOptions shown;
    shown.label = "encoding";
    shown.unit = "bytes";
    shown.total = corpus_bytes(source);
    shown.sink = descriptor_sink(STDERR_FILENO);
    bar.emplace(shown);
    shards.advance = [&bar](int64_t bytes) { bar->advance(bytes); };
  }
  const CorpusShardFacts made = write_corpus_shards(tokenizer, source, options.output, shards);
  if (bar) bar->finish();
  if (options.common.json) {
    put(
        fmt::format("{{\"documents\":{},\"tokens\":{},\"shards\":{},\"read\":{},\"bytes\":{},"
                    "\"removed\":{},\"kept_shards\":{}}}\n",
                    made.documents, made.tokens, made.shards, made.read, made.bytes, made.removed,
                    made.kept_shards));
  } else {
    put(fmt::format("{} documents, {} tokens in {} shards of {}\n", made.documents, made.tokens,
                    made.shards, options.output));
    if (!options.dedup.empty()) put(fmt::format("{} duplicates removed\n", made.removed));
    if (made.kept_shards > 0) {
      tell(fmt::format("{} shards were there from an earlier run.", made.kept_shards));
    }
  }
  return kDone;
}

// Flags that say what becomes of a text exclude each other.
void check(const TokenizeOptions& options) {
  const auto refuse = [](const char* what) { throw WrongCommand("tessera tokenize", what); };
  if (options.text && !options.file.empty()) refuse("a text and --file exclude each other");
  if (options.field && (options.text || options.lines || options.decode)) {
    refuse("--field goes with texts from .jsonl lines, without --lines and --decode");
  }
  if (!options.sample && (options.rate || options.seed))
    refuse("--rate and --seed go with --sample");
  if (options.sample && (options.split > 0 || options.decode || !options.output.empty())) {
    refuse("--sample excludes --split, --decode and -o");
  }
  if (options.best > 0 && !options.sample &&
      (options.count || options.ids || options.split > 0 || options.decode || options.pair ||
       !options.output.empty())) {
    refuse("--best prints ways to cut a text, and nothing else");
  }
  if (options.output.empty()) {
    if (!options.dedup.empty()) refuse("--dedup goes with -o");
    return;
  }
  if (options.text) refuse("-o goes with --file");
  if (options.count || options.decode || options.split > 0) {
    refuse("-o excludes --count, --decode and --split");
  }
}

int tokenize(const TokenizeOptions& options) {
  check(options);
  auto tokenizer = open_tokenizer(
      options.common.tokenizer.empty() ? model_reference(options.common) : options.common.tokenizer,
      options.ranks);
  std::string source = options.file.empty() ? "-" : options.file;
  if (!options.output.empty()) return write_shards(*tokenizer, options);
  Printer printer(*tokenizer, options);
  if (options.decode) {
    size_t number = 0;
    auto decode = [&](std::string_view line) {
      ++number;
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
        decode_line(*tokenizer, line, number);
      }
    };
    if (options.text) {
      decode(*options.text);
    } else {
      read_lines(source, decode);
    }
    return kDone;
  }
  auto each = [&](std::string_view text) { printer.text(text); };
  if (options.text && options.lines) {
    each_line(*options.text, each);
  } else if (options.text) {
    each(*options.text);
  } else if (options.lines) {
    read_lines(source, each);
  } else if (options.field) {
    read_jsonl(source, *options.field, each);
  } else {
    read_files(source, each);
  }
  return kDone;
}

}  // namespace

Verb verb_tokenize() {
  return {
      "tokenize", "text to token ids and their byte spans, and back", [](CLI::App& app) {
        auto options = std::make_shared<TokenizeOptions>();
        teach(app,
              "  tessera tokenize --json \"Hello world\"\n"
              "  {\"ids\":[19556,905],\"spans\":[[0,5],[5,11]]}");
        add_reference(app, options->common);
        add_tokenizer(app, options->common);
        add_threads(app, options->common);
        add_json(app, options->common);
        app.add_option("text", options->text, "the text [standard input]")->type_name("TEXT");
        app.add_option("--file", options->file,
                       "read a file, every file of a folder, or - for standard input")
            ->type_name("F|DIR|-");
        app.add_option("--pair", options->pair,
                       "a second text that belongs to each text, such as a passage to a question")
            ->type_name("TEXT");
        app.add_flag("--lines", options->lines, "each line is a text of its own");
        app.add_option("-o,--output", options->output,
                       "write shards of ids into this folder, or go on where that was stopped")
            ->type_name("DIR");
        app.add_option(
               "--field", options->field,
               "the member of JSON lines that holds the text [with -o, of .jsonl files: text]")
            ->type_name("NAME");
        app.add_option("--shard-tokens", options->shard_tokens,
                       "with -o: a shard ends with the document that reaches them [67108864]")
            ->type_name("N")
            ->check(above_zero());
        app.add_option("--dedup", options->dedup,
                       "with -o: leave out documents that were there before: exact, "
                       "minhash:threshold=0.8")
            ->type_name("SPEC");
        app.add_flag("--count", options->count, "only the number of bytes and tokens");
        app.add_flag("--ids", options->ids,
                     "only the ids, a JSON array a text, as --decode reads them; the fastest way");
        app.add_option("--split", options->split,
                       "cut the text into pieces of at most so many tokens: their byte ranges")
            ->type_name("N")
            ->check(above_zero());
        app.add_option("--best", options->best,
                       "the N ways to cut the text that score most, or draw among them (Unigram)")
            ->type_name("N")
            ->check(CLI::Range(1, 1000));
        app.add_flag("--sample", options->sample,
                     "draw one of the ways to cut the text (byte pairs, Unigram)");
        app.add_option("--rate", options->rate,
                       "with --sample: how often a merge is passed over, or the power of a way's "
                       "probability (Unigram) [the file's, else 0.1]")
            ->type_name("P")
            ->check(from_zero());
        app.add_option("--seed", options->seed,
                       "with --sample: the same number draws the same tokens [at random]")
            ->type_name("N");
        app.add_flag("--decode", options->decode,
                     "the other way: JSON arrays of ids, one a line, to the text's bytes");
        app.add_flag("--no-template", options->no_template,
                     "nothing in front of or behind the text");
        app.add_flag("--whole", options->whole,
                     "neither cut nor filled up as the file's truncation and padding say");
        app.add_option(
               "--special-in-text", options->special,
               "whether control tokens in the text become control ids [as the format's library]")
            ->type_name("on|off")
            ->check(CLI::IsMember({"on", "off"}));
        app.add_option("--encoding", options->ranks.encoding,
                       "which encoding a tiktoken rank file is [by its content]")
            ->type_name("NAME");
        app.add_option("--pattern", options->ranks.pattern,
                       "how a tiktoken rank file cuts text, instead")
            ->type_name("REGEX");
        return [options] { return tokenize(*options); };
      }};
}

}  // namespace tessera::cli
