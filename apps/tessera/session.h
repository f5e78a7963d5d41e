// A model opened for a verb: files, tokenizer and network, and the texts a verb reads.
#pragma once

#include <memory>
#include <string>

#include "apps/tessera/tokenizer_source.h"
#include "apps/tessera/verb.h"
#include "tessera/files/model.h"
#include "tessera/network/language_model.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera::cli {

// The model that -m names, with --assume-inert.
ModelFiles open_files(const CommonOptions& options);

// --tokenizer, else the model's own. Throws Error for a vocabulary that is larger than the
// network's table.
std::shared_ptr<const Tokenizer> tokenizer_for(const CommonOptions& options,
                                               const ModelFiles& files);

// A decoder, ready to run.
struct Session {
  ModelFiles files;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<LanguageModel> model;
};

// Opens a decoder with the pool's threads set.
Session open_session(const CommonOptions& options, const std::string& context_policy);

// Sets the pool's threads as -j asks.
void use_threads(const CommonOptions& options);

// A file's bytes, or standard input for "-" and "".
std::string read_text(const std::string& path);

// Peak resident size of this process in bytes.
int64_t peak_memory();

}  // namespace tessera::cli
