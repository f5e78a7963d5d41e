// A model opened for a verb: files, tokenizer and network, ready for a verb.
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "apps/tessera/verb.h"
#include "tessera/files/model.h"
#include "tessera/network/language_model.h"
#include "tessera/tokenizer/model_tokenizer.h"
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
  std::unique_ptr<LanguageModel> draft;  // --with draft=REF; null: none
};

// Opens a decoder with the pool's threads set.
Session open_session(const CommonOptions& options, const std::string& context_policy);

// The network of an opened model: the engine's, or with --device libtorch's, for which the workshop
// library is opened. Throws WrongCommand for flags that only the engine has.
std::unique_ptr<Network> network_for(const CommonOptions& options, const ModelFiles& files);

// Sets the pool's threads as -j asks.
void use_threads(const CommonOptions& options);

// What a context policy did, for --json: what was read and possible, held and freed, chosen and
// used again.
nlohmann::ordered_json context_report(const std::string& policy, const PastCounters& counters);

// Peak resident size of this process in bytes.
int64_t peak_memory();

}  // namespace tessera::cli
