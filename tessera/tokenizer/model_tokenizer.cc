#include "tessera/tokenizer/model_tokenizer.h"

#include <filesystem>
#include <fstream>

#include "tessera/base/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

bool starts_like_gguf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  return file.read(magic, sizeof magic) && std::string_view(magic, 4) == "GGUF";
}

bool is_bare_tokenizer(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && !path.ends_with(".safetensors") &&
         !path.ends_with(".gguf") && !starts_like_gguf(path);
}

}  // namespace

std::shared_ptr<const Tokenizer> open_tokenizer(const std::string& reference,
                                                const TiktokenOptions& ranks) {
  const std::string path = resolve_model(reference);
  if (is_bare_tokenizer(path)) return open_tokenizer_file(path, ranks).tokenizer;
  return tokenizer_of(open_model(reference, {.weights = false, .assume_inert = {}}));
}

std::shared_ptr<const Tokenizer> tokenizer_of(const ModelFiles& files) {
  if (!files.tokenizer_json.empty()) return read_tokenizer_json(files.tokenizer_json);
  if (files.gguf) return read_gguf_tokenizer(*files.gguf);
  throw Error(files.path, "has no tokenizer.json beside its weights",
              "Put the model's tokenizer.json there, or name one with --tokenizer.");
}

}  // namespace tessera
