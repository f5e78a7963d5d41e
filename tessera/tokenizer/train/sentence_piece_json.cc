#include "tessera/tokenizer/train/sentence_piece_json.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "tessera/base/base64.h"
#include "tessera/tokenizer/charsmap_writer.h"
#include "tessera/tokenizer/convert.h"
#include "tessera/tokenizer/train/tokenizer_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

bool has(const SentencePieceModel& model, PieceType type) {
  return std::any_of(model.pieces.begin(), model.pieces.end(),
                     [&](const auto& piece) { return piece.type == type; });
}

CuttingParts parts_around(const SentencePieceModel& model, bool split_by_space) {
  Json steps = Json::array();
  const std::string& map = sentence_piece_map(model.normalisation);
  if (!map.empty()) {
    steps.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(map)}});
  }
  if (model.remove_extra) {
    steps.push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
    steps.push_back({{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}});
  }
  // Behind a user-defined piece a text goes on.
  const bool parted = has(model, PieceType::user_defined);
  const Json space = {{"type", "Metaspace"},
                      {"replacement", "\xE2\x96\x81"},
                      {"prepend_scheme", !model.dummy_prefix ? "never"
                                         : parted            ? "first"
                                                             : "always"},
                      {"split", split_by_space}};
  CuttingParts out;
  if (!steps.empty()) out.normaliser = Json({{"type", "Sequence"}, {"normalizers", steps}}).dump();
  out.pre_tokenizer = space.dump();
  const Json decoder = {{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, space}}};
  out.decoder = has(model, PieceType::byte) ? decoder.dump() : space.dump();
  return out;
}

Json unigram_model(const SentencePieceModel& model) {
  Json vocab = Json::array();
  for (const auto& piece : model.pieces) vocab.push_back({piece.text, piece.score});
  return {{"type", "Unigram"},
          {"unk_id", model.unknown},
          {"vocab", std::move(vocab)},
          {"byte_fallback", has(model, PieceType::byte)}};
}

Json byte_pair_model_json(const SentencePieceModel& model) {
  Json vocab = Json::object(), merges = Json::array();
  PortableTokenizer pieces;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    vocab.get_ref<Json::object_t&>().emplace_back(piece.text, id);
    pieces.tokens.push_back({piece.text, piece.type, piece.score});
  }
  for (const auto& [left, right] : merges_of_scores(pieces)) merges.push_back({left, right});
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", model.pieces[static_cast<size_t>(model.unknown)].text},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", true},
          {"byte_fallback", has(model, PieceType::byte)},
          {"ignore_merges", false},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

}  // namespace

std::string sentence_piece_json(const SentencePieceModel& model, bool split_by_space) {
  std::vector<SpecialToken> added;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& [text, score, type] = model.pieces[id];
    if (type == PieceType::normal || type == PieceType::byte) continue;
    added.push_back({static_cast<int64_t>(id), text, type != PieceType::user_defined});
  }
  const bool unigram = model.kind == SentencePieceKind::unigram;
  return tokenizer_text(parts_around(model, split_by_space), added,
                        unigram ? unigram_model(model) : byte_pair_model_json(model));
}

}  // namespace tessera
