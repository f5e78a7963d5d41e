#include "apps/tessera/session.h"

#include <sys/resource.h>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/base/pool.h"

namespace tessera::cli {

std::shared_ptr<const Tokenizer> tokenizer_of(const ModelFiles& files) {
  if (!files.tokenizer_json.empty()) return read_tokenizer_json(files.tokenizer_json);
  if (files.gguf) return read_gguf_tokenizer(*files.gguf);
  throw Error(files.path, "has no tokenizer.json beside its weights",
              "Put the model's tokenizer.json there, or name one with --tokenizer.");
}

void use_threads(const CommonOptions& options) {
  Pool::instance().set_threads(options.threads > 0 ? options.threads : available_threads());
}

Session open_session(const CommonOptions& options, const std::string& context_policy) {
  Session s;
  use_threads(options);
  s.files = open_model(model_reference(options));
  s.tokenizer = tokenizer_of(s.files);
  if (s.tokenizer->vocabulary().size() > s.files.description.vocabulary) {
    throw Error(s.files.path,
                "its tokenizer has " + std::to_string(s.tokenizer->vocabulary().size()) +
                    " tokens, its embedding table " +
                    std::to_string(s.files.description.vocabulary) + " rows",
                "The tokenizer belongs to another model.");
  }
  s.model = std::make_unique<LanguageModel>(load_network(s.files), context_policy);
  return s;
}

std::string read_text(const std::string& path) {
  if (path.empty() || path == "-") return read_standard_input();
  return std::string(MappedFile(path).text());
}

int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace tessera::cli
