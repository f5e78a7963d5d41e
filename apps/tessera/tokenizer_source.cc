#include "apps/tessera/tokenizer_source.h"

#include <filesystem>
#include <fstream>

#include "tessera/base/error.h"
#include "tessera/files/gguf.h"
#include "tessera/files/model.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

bool starts_like_gguf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  return file.read(magic, sizeof magic) && std::string_view(magic, 4) == "GGUF";
}

}  // namespace

std::shared_ptr<const Tokenizer> open_tokenizer(const std::string& reference) {
  std::error_code ignored;
  std::string path = fs::exists(reference, ignored) ? reference : resolve_model(reference);
  if (fs::is_directory(path, ignored)) {
    path += "/tokenizer.json";
    if (!fs::exists(path, ignored)) {
      throw Error(reference, "the folder holds no tokenizer.json", "Name the file itself.");
    }
  }
  if (path.ends_with(".safetensors")) {
    path = (fs::path(path).parent_path() / "tokenizer.json").string();
  }
  return starts_like_gguf(path) ? read_gguf_tokenizer(GgufFile(path)) : read_tokenizer_json(path);
}

}  // namespace tessera::cli
