#include "tessera/eval/repro_texts.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/text/corpus.h"
#include "tessera/text/utf8.h"

namespace tessera {
namespace {

constexpr size_t kMostBytes = size_t{256} << 20;

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + '\n';
  return all;
}

}  // namespace

ReproTexts repro_texts(const std::vector<std::string>& sources, const ReproTextsShape& shape,
                       std::string_view example) {
  std::vector<std::string> lines;
  std::unordered_set<std::string> seen;
  size_t bytes = 0;
  for (const std::string& source : sources) {
    read_corpus(source, "text", [&](std::string_view text) {
      while (!text.empty() && bytes < kMostBytes) {
        const size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        if (end >= std::max<size_t>(shape.shortest, 1) &&
            (!shape.distinct || seen.emplace(line).second)) {
          lines.emplace_back(line);
        }
        bytes += end;
        text.remove_prefix(std::min(end + 1, text.size()));
      }
    });
  }
  if (lines.size() < shape.least) {
    throw Error(
        "the texts",
        fmt::format("have {} lines of the {} that are needed at least{}", lines.size(), shape.least,
                    shape.shortest > 1
                        ? fmt::format(", different ones of {} bytes and more", shape.shortest)
                        : std::string()),
        fmt::format("bench/texts.py {} makes a text of LibreOffice's manual.", example));
  }
  ReproTexts out;
  const size_t taken = std::min(lines.size(), shape.training + shape.held_out);
  const size_t every = (shape.training + shape.held_out) / shape.held_out;
  for (size_t i = 0; i < taken; ++i) {
    std::string& line = lines[i * lines.size() / taken];
    (i % every == every - 1 ? out.held_out : out.training).push_back(std::move(line));
  }
  return out;
}

ReproFile::ReproFile(std::string_view bytes) {
  static int number = 0;
  path_ = std::filesystem::temp_directory_path() /
          fmt::format("tessera-repro-{}-{}.txt", getpid(), ++number);
  write_file(path_.string(), bytes);
}

ReproFile::~ReproFile() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

ReproLines::ReproLines(const std::vector<std::string>& lines) : ReproFile(joined(lines)) {}

TrainedTokenizer trained_files_for_repro(const ReproLines& lines, const ReproRequest& request,
                                         const std::string& spec, int64_t size,
                                         const std::string& pre_tokenizer) {
  TrainingTextsOptions options;
  options.shape.lines = true;
  options.progress = request.progress;
  TrainingTexts texts({lines.path()}, options);
  TrainingRequest training;
  training.vocab_size = size;
  training.threads = request.threads;
  training.pre_tokenizer = pre_tokenizer;
  training.progress = request.progress;
  return make_guest<Trainer>(spec)->train(texts, training);
}

std::shared_ptr<const Tokenizer> trained_for_repro(const ReproLines& lines,
                                                   const ReproRequest& request,
                                                   const std::string& spec, int64_t size,
                                                   const std::string& pre_tokenizer) {
  return parse_tokenizer_json(
      trained_files_for_repro(lines, request, spec, size, pre_tokenizer).json, spec);
}

int64_t characters_of(std::string_view text) {
  int64_t n = 0;
  for (size_t i = 0; i < text.size(); i += unit_at(text, i).length) ++n;
  return n;
}

int64_t characters_of(const std::vector<std::string>& lines) {
  int64_t n = 0;
  for (const std::string& line : lines) n += characters_of(line);
  return n;
}

int64_t tokens_of(const Tokenizer& tokenizer, const std::vector<std::string>& lines) {
  int64_t n = 0;
  for (const std::string& line : lines) n += tokenizer.count(line, {.add_template = false});
  return n;
}

std::string repro_text(const ReproRequest& request, int64_t least_bytes) {
  constexpr size_t most = size_t{64} << 20;
  std::string text;
  for (const std::string& source : request.sources) {
    read_corpus(source, "text", [&](std::string_view part) {
      text += part.substr(0, most - std::min(most, text.size()));
      text += '\n';
    });
  }
  if (static_cast<int64_t>(text.size()) < least_bytes) {
    throw Error("the texts",
                fmt::format("have {} bytes of the {} that are needed", text.size(), least_bytes),
                "bench/texts.py en-us makes a text of LibreOffice's manual.");
  }
  return text;
}

std::vector<std::vector<TokenId>> repro_pieces(const ReproRequest& request,
                                               const Tokenizer& tokenizer, int64_t count,
                                               int64_t length) {
  const std::string text = repro_text(request, count * length);  // a token has a byte at least
  EncodeOptions plain;
  plain.add_template = false;
  const std::vector<TokenId> ids = tokenizer.encode(text, plain).ids;
  const auto have = static_cast<int64_t>(ids.size()) / length;
  if (have < count) {
    throw Error("the texts",
                fmt::format("have {} tokens of the {} that are needed", ids.size(), count * length),
                "bench/texts.py en-us makes a text of LibreOffice's manual.");
  }
  std::vector<std::vector<TokenId>> out;
  for (int64_t i = 0; i < count; ++i) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(i * have / count * length);
    out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(length));
  }
  return out;
}

}  // namespace tessera
