// A document read before a question is answered: --read and --file of `run`.
#pragma once

#include <optional>
#include <string>

#include "apps/tessera/answer.h"
#include "tessera/tokenizer/conversation.h"

namespace tessera::cli {

struct ReadDocument {
  ChatPrompt prompt;  // what was kept of the document, and the question
  Json report;        // the member "read" of the result
};

// What is wrong with the flags is said before a model is opened.
void check_read_flags(const RunOptions& o);

// Reads o.file as o.read says. Nothing when the person stopped it.
std::optional<ReadDocument> read_document(const RunOptions& o, Session& session,
                                          const std::string& question);

}  // namespace tessera::cli
