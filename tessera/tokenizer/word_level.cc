#include "tessera/tokenizer/word_level.h"

#include <utility>

#include "tessera/base/error.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

class WordLevelModel : public Model {
 public:
  WordLevelModel(PieceTable pieces, std::vector<bool> control, std::optional<TokenId> unknown)
      : pieces_(std::move(pieces)), control_(std::move(control)), unknown_(unknown) {}

  std::string name() const override { return "WordLevel"; }

  void encode(std::string_view piece, bool allow_control,
              std::vector<ModelToken>& out) const override {
    if (piece.empty()) return;
    TokenId id = pieces_.find(piece);
    if (id >= 0 && !allow_control && control_[static_cast<size_t>(id)]) id = -1;
    if (id < 0) id = unknown(piece);
    out.push_back({id, 0, static_cast<uint32_t>(piece.size())});
  }

 private:
  TokenId unknown(std::string_view piece) const {
    if (unknown_) return *unknown_;
    throw Error("", shown(piece) + " is no token, and the vocabulary has none for what is unknown",
                "Give the model an \"unk_token\" that it has.");
  }

  PieceTable pieces_;
  std::vector<bool> control_;
  std::optional<TokenId> unknown_;
};

}  // namespace

std::unique_ptr<Model> word_level_model(PieceTable pieces, std::vector<bool> control,
                                        std::optional<TokenId> unknown) {
  return std::make_unique<WordLevelModel>(std::move(pieces), std::move(control), unknown);
}

}  // namespace tessera
