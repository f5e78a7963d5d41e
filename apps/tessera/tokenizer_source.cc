#include "apps/tessera/tokenizer_source.h"

#include <filesystem>

#include "tessera/base/error.h"

namespace tessera::cli {

std::shared_ptr<const Tokenizer> open_tokenizer(const std::string& reference) {
  std::error_code ignored;
  std::string path = reference;
  if (std::filesystem::is_directory(path, ignored)) path += "/tokenizer.json";
  return read_tokenizer_json(path);
}

}  // namespace tessera::cli
