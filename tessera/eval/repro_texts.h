// What repros share: lines to learn from and lines to measure on, and vocabularies learned from the
// former.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/eval/repro.h"
#include "tessera/tokenizer/tokenizer.h"
#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

struct ReproTexts {
  std::vector<std::string> training, held_out;
};

struct ReproTextsShape {
  size_t training = 20000, held_out = 2000;  // lines at most, in this proportion where fewer
  bool distinct = false;                     // a line that came before is left out
  size_t shortest = 1;                       // bytes of a line that is taken
  size_t least = 1100;                       // lines without which nothing can be measured
};

// Lines that are evenly spread over the sources' first 256 MB, one in so many of them held out.
// Throws Error below shape.least, and says how to make a text of language `example`.
ReproTexts repro_texts(const std::vector<std::string>& sources, const ReproTextsShape& shape,
                       std::string_view example);

// A file that is gone with this.
class ReproFile {
 public:
  explicit ReproFile(std::string_view bytes);
  ReproFile(const ReproFile&) = delete;
  ReproFile& operator=(const ReproFile&) = delete;
  ~ReproFile();
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// One of lines.
class ReproLines : public ReproFile {
 public:
  explicit ReproLines(const std::vector<std::string>& lines);
};

// What the trainer `spec` learns from the lines, each a text, with `size` tokens at most.
// pre_tokenizer: as in TrainingRequest.
std::shared_ptr<const Tokenizer> trained_for_repro(const ReproLines& lines,
                                                   const ReproRequest& request,
                                                   const std::string& spec, int64_t size,
                                                   const std::string& pre_tokenizer = "");

// The same as the files that it writes.
TrainedTokenizer trained_files_for_repro(const ReproLines& lines, const ReproRequest& request,
                                         const std::string& spec, int64_t size,
                                         const std::string& pre_tokenizer = "");

// The first 64 MB of the sources, a line feed behind each text. Throws Error below `least_bytes`.
std::string repro_text(const ReproRequest& request, int64_t least_bytes);
// `count` pieces of `length` tokens, evenly spread over that text. Throws Error for texts that have
// fewer, with the number.
std::vector<std::vector<TokenId>> repro_pieces(const ReproRequest& request,
                                               const Tokenizer& tokenizer, int64_t count,
                                               int64_t length);

// Characters, a byte that is no UTF-8 being one.
int64_t characters_of(std::string_view text);
// Tokens of all lines, without templates.
int64_t tokens_of(const Tokenizer& tokenizer, const std::vector<std::string>& lines);
int64_t characters_of(const std::vector<std::string>& lines);

}  // namespace tessera
