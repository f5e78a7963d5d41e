#include "tessera/tokenizer/convert.h"

#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/files/shown.h"
#include "tessera/text/normalise.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/probes.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// A file that is removed again.
class Trial {
 public:
  explicit Trial(std::string path) : path_(std::move(path)) {}
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

std::optional<std::string> first_difference(const Tokenizer& a, const Tokenizer& b,
                                            const std::vector<std::string>& texts) {
  size_t number = 0;
  for (const std::string& text : texts) {
    EncodeOptions options;
    options.special_in_text = number % 2 == 0;
    options.add_template = number % 3 == 0;
    ++number;
    const auto ids = a.encode(text, options).ids;
    if (ids != b.encode(text, options).ids) return text;
    for (bool skip : {false, true}) {
      if (a.decode(ids, skip) != b.decode(ids, skip)) return text;
    }
  }
  return std::nullopt;
}

const PortableFormat& format_of(const std::string& path) {
  std::string known;
  for (const PortableFormat& format : portable_formats()) {
    if (path.ends_with(format.suffix)) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.suffix);
  }
  throw Error(path, "ends like none of the formats that are written, which are " + known,
              "Give the file such an end.");
}

std::string convert_tokenizer(const std::string& path, const Tokenizer& tokenizer,
                              const std::string& target, const ConversionOptions& options) {
  const PortableFormat& format = format_of(target);
  const PortableTokenizer portable = read_portable(path, tokenizer, options.ranks);
  const bool normaliser_lost = portable.composes && !format.composes;
  if (normaliser_lost && !options.without_normaliser) {
    throw Error(path,
                fmt::format("brings texts to NFC first, and {} has no normaliser", format.name),
                "Give --without-normaliser if all texts are NFC already; others get other ids.");
  }
  const Trial trial(target + ".trial" + std::string(format.suffix));
  format.write(portable, trial.path());
  const auto written = format.read(trial.path(), portable);
  if (written->vocabulary().size() != tokenizer.vocabulary().size()) {
    throw Error(path, "cannot be written as " + std::string(format.name) +
                          ": the vocabulary would have " +
                          std::to_string(written->vocabulary().size()) + " tokens, not " +
                          std::to_string(tokenizer.vocabulary().size()));
  }
  // Bytes that are no UTF-8 come last, so that the text shown is a plain one where there is one.
  for (bool only_utf8 : {true, false}) {
    auto texts = probe_texts(tokenizer.vocabulary(),
                             {.count = options.probes / 2, .seed = 7, .only_utf8 = only_utf8});
    for (std::string& text : texts) {
      if (normaliser_lost) text = normalise(text, NormalForm::nfc);
    }
    const auto differs = first_difference(tokenizer, *written, texts);
    if (!differs) continue;
    throw Error(path,
                "cannot be written as " + std::string(format.name) +
                    ": the result would treat this text otherwise: " + shown(*differs),
                "Nothing was written.");
  }
  std::error_code error;
  fs::rename(trial.path(), target, error);
  if (error) throw Error(target, error.message());
  std::string lost(format.leaves_out);
  if (normaliser_lost) {
    lost += std::string(lost.empty() ? "" : ", and ") +
            "the step that brings texts to NFC: others than those get other ids by it";
  }
  return lost;
}

}  // namespace tessera
