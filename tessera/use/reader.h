// The read seam: what of a document, however long, is put in front of a question.
//
// A reader is given a document and a question, and keeps passages of the document that together are
// no longer than a budget of tokens. It goes through the document from its beginning to its end and
// holds nothing that grows with it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/network/network.h"

namespace tessera {

// A sentence of the document, or a part of one.
struct Passage {
  int64_t begin = 0, end = 0;  // bytes of the document
  double score = 0;            // why it was kept, as its reader measures it
  std::vector<int32_t> ids;    // its tokens, never made again, so that they stay what they were
  int64_t tokens() const { return static_cast<int64_t>(ids.size()); }
};

// What a reader is given. Views and the network outlive the call.
struct ReadTask {
  std::string_view document;      // any bytes
  std::string name = "document";  // for messages
  std::string_view question;
  // Tokens of a piece of the document, as content: control tokens in it stay text.
  std::function<std::vector<int32_t>(std::string_view)> encode;
  // The prompt is `before`, what was kept of the document, `after`. Tokens question_begin ..
  // question_end - 1 of `after` are the question.
  std::vector<int32_t> before, after;
  int64_t question_begin = 0, question_end = 0;
  Network* network = nullptr;
  int64_t room = 0;    // tokens that the prompt may have
  int64_t window = 0;  // tokens that the network reads at once; at most `room`
  // Bytes in front of the given one are not read again in this pass over the document.
  std::function<void(int64_t)> passed = {};
  std::function<bool()> stopped = {};  // whether what is being read is no longer wanted
};

struct ReadResult {
  std::vector<Passage> kept;  // in the document's order
  int64_t kept_tokens = 0;
  // Of the document, as far as it was read.
  int64_t sentences = 0, tokens = 0;
  bool whole = false;  // the document was short enough to be kept as it is
  // How much was held and read at once: they do not grow with the document.
  int64_t network_passes = 0, longest_pass = 0;  // tokens
  int64_t most_held = 0;                         // tokens of passages in memory
};

class Reader {
 public:
  virtual ~Reader() = default;
  // Times that the document is gone through.
  virtual int64_t passes() const { return 1; }
  // Throws Error for a document or question that is empty, and when the model's window is too short
  // for what the options ask for.
  virtual ReadResult read(const ReadTask& task) const = 0;
};

}  // namespace tessera
