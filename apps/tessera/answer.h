// What the ways to ask for an answer share: one prompt, a chat, a file of requests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "apps/tessera/session.h"
#include "tessera/decode/generate.h"
#include "tessera/tokenizer/conversation.h"

namespace tessera::cli {

using Json = nlohmann::ordered_json;

struct RunOptions {
  CommonOptions common;
  std::string prompt, system, context = "full", decode, constrain = "none", draft = "none";
  bool prompt_given = false, raw = false, stream = false, show_prompt = false,
       special_in_text = false, profile = false;
  int64_t max_tokens = 0, top_logprobs = -1;
  std::string temp, top_k, top_p, min_p;  // as typed: they become keys of the spec
  std::optional<uint64_t> seed;
  std::vector<std::string> stop, template_arguments;
  std::vector<std::string> with;  // ROLE=REF
  std::string file, read;         // a document, and how it is read; "": none
  std::string cache;              // file of a past; "": none
  std::string trace;              // file of what the policy chose; "": none
  std::string jsonl;              // file of requests; "": none
  int64_t batch = 8;              // of them at once
  uint64_t cache_bytes = 0;       // that their pasts may hold; 0: no bound
};

// JSON on one line; bytes that are no UTF-8, which JSON cannot carry, become U+FFFD.
std::string dump(const Json& json);
// --decode with the short flags as its keys, else what the model's own files ask for.
std::string decode_spec(const RunOptions& o, const GenerationSettings& own);
// Opens the run's model and those of --with.
Session open_run(const RunOptions& o);
// A conversation with the run's model in which nothing was said yet.
Conversation conversation(const Session& session, const RunOptions& o);
// The options of every answer of this run; says so when the model's own files decide.
GenerateOptions generate_options(const RunOptions& o, const Session& session);
// The contract's object of one answer.
Json result_json(const RunOptions& o, const GenerateOptions& options, const Generation& g);

// Answers every line of o.jsonl; gives the exit status.
int run_jsonl(const RunOptions& o);

}  // namespace tessera::cli
