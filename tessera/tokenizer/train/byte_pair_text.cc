#include "tessera/tokenizer/train/byte_pair_text.h"

#include <nlohmann/json.hpp>

#include "tessera/tokenizer/train/tokenizer_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace

std::string byte_pair_text(const LearnedBytePairs& learned, const CuttingParts& parts,
                           const TrainingRequest& request, const BytePairNames& names) {
  Json vocab = Json::object(), merges = Json::array();
  for (size_t id = 0; id < learned.tokens.size(); ++id) {
    // No two tokens are equal: nothing needs to be looked for.
    vocab.get_ref<Json::object_t&>().emplace_back(learned.tokens[id], id);
  }
  for (const LearnedMerge& m : learned.merges) {
    merges.push_back({learned.tokens[m.left], learned.tokens[m.right]});
  }
  const Json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", text_or_null(names.unknown)},
                      {"continuing_subword_prefix", text_or_null(names.continuing_prefix)},
                      {"end_of_word_suffix", text_or_null(names.end_suffix)},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"ignore_merges", false},
                      {"vocab", std::move(vocab)},
                      {"merges", std::move(merges)}};
  return tokenizer_text(parts, numbered(request.specials), model);
}

}  // namespace tessera
