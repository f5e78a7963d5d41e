// A corpus to shards of token ids (shards.h), in memory that does not grow with it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tessera/text/corpus.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera {

struct CorpusShardOptions {
  CorpusShape shape = {};
  bool add_template = true;
  bool special_in_text = false;
  int64_t shard_tokens = int64_t{1} << 26;    // a shard ends with the document that reaches them
  std::string dedup = {};                     // spec of a DuplicateFilter; "": none
  int64_t threads = 1;                        // that encode
  std::function<void(int64_t)> advance = {};  // takes bytes that have been read; may be null
};

struct CorpusShardFacts {
  int64_t documents = 0, tokens = 0, shards = 0;  // in the folder
  int64_t read = 0, bytes = 0;                    // documents and bytes of the input
  int64_t removed = 0;                            // duplicates
  int64_t kept_shards = 0;                        // that an earlier run had finished
};

// Writes NNNNN.shard, and at last manifest.json, into `folder`, which is made if it is missing.
//
// Killed at any moment it leaves whole shards; the same call goes on behind the last one, and the
// folder becomes what an undisturbed run leaves. Throws Error when the folder was begun with
// another vocabulary, other options or other input.
//
// Memory: four batches of 1 MiB a thread with their ids, and one part of a document. A document is
// encoded in parts of about 2 MiB, cut where both sides are encoded apart, so that its ids are
// those of a whole encode; one that has no such place within 256 MiB is refused. Lines and the
// texts of JSONL are read whole. With `dedup` parts have 16 MiB, longer documents are never looked
// up among duplicates, and what is remembered of a document stays: 32 bytes, by MinHash some 1 kB.
CorpusShardFacts write_corpus_shards(const Tokenizer& tokenizer, const std::string& source,
                                     const std::string& folder, const CorpusShardOptions& options);

// Tells vocabularies apart: tokens with their bytes and roles, and the ids of a text that is made
// of all of them.
uint64_t vocabulary_hash(const Tokenizer& tokenizer);

}  // namespace tessera
