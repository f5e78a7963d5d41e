// A document, a question and a tokenizer of single bytes for a small random model.
#pragma once

#include <string>
#include <vector>

#include "tessera/base/random.h"
#include "tessera/use/reader.h"
#include "tests/network/tiny_model.h"

namespace tessera::test {

// Printable bytes of the tiny model's vocabulary of 96.
inline std::vector<int32_t> byte_ids(std::string_view text) {
  std::vector<int32_t> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c) % 96);
  return ids;
}

// Sentences of 3 to 9 made-up words.
inline std::string made_up_document(uint64_t seed, int64_t sentences) {
  Random random(seed);
  std::string out;
  for (int64_t s = 0; s < sentences; ++s) {
    const uint64_t words = 3 + random.below(7);
    for (uint64_t w = 0; w < words; ++w) {
      if (!out.empty()) out += ' ';
      const uint64_t letters = 2 + random.below(4);
      for (uint64_t i = 0; i < letters; ++i) {
        out += static_cast<char>('a' + static_cast<char>(random.below(26)));
      }
    }
    out += '.';
  }
  return out;
}

inline ReadTask read_task(std::string_view document, std::string_view question, Network* network) {
  ReadTask task;
  task.document = document;
  task.question = question;
  task.encode = byte_ids;
  task.before = byte_ids("<");
  task.after = byte_ids("\n");
  const auto asked = byte_ids(question), close = byte_ids(">:");
  task.question_begin = 1;
  task.question_end = 1 + static_cast<int64_t>(asked.size());
  task.after.insert(task.after.end(), asked.begin(), asked.end());
  task.after.insert(task.after.end(), close.begin(), close.end());
  task.network = network;
  task.room = task.window = 480;
  return task;
}

}  // namespace tessera::test
