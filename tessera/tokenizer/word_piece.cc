#include "tessera/tokenizer/word_piece.h"

#include <algorithm>
#include <utility>

#include "tessera/text/utf8.h"

namespace tessera {
namespace {

class WordPieceModel : public Model {
 public:
  WordPieceModel(PieceTable first, PieceTable next, std::vector<bool> control,
                 const WordPieceOptions& options)
      : first_(std::move(first)),
        next_(std::move(next)),
        control_(std::move(control)),
        options_(options) {}

  std::string name() const override { return "WordPiece"; }

  void encode(std::string_view piece, bool allow_control,
              std::vector<ModelToken>& out) const override {
    if (piece.empty()) return;
    const size_t before = out.size();
    if (units(piece) > options_.max_input_chars_per_word || !tile(piece, allow_control, out)) {
      out.resize(before);
      out.push_back({options_.unknown, 0, static_cast<uint32_t>(piece.size())});
    }
  }

 private:
  // Counted no further than the limit.
  size_t units(std::string_view piece) const {
    if (options_.reading == Reading::byte_level) return piece.size();
    size_t count = 0;
    for (size_t i = 0; i < piece.size() && count <= options_.max_input_chars_per_word; ++count) {
      i += unit_at(piece, i).length;
    }
    return count;
  }

  // Whether a token may not end at byte `end`: it is inside a character.
  bool inside(std::string_view piece, size_t end) const {
    return options_.reading == Reading::utf8 && end < piece.size() &&
           (static_cast<unsigned char>(piece[end]) & 0xC0) == 0x80;
  }

  bool tile(std::string_view piece, bool allow_control, std::vector<ModelToken>& out) const {
    for (size_t begin = 0; begin < piece.size();) {
      const PieceTable& table = begin == 0 ? first_ : next_;
      size_t end = std::min(piece.size(), begin + table.longest());
      TokenId id = -1;
      for (; end > begin; --end) {
        if (!table.has_length(end - begin) || inside(piece, end)) continue;
        id = table.find(piece.substr(begin, end - begin));
        bool forbidden = id >= 0 && !allow_control && static_cast<size_t>(id) < control_.size() &&
                         control_[static_cast<size_t>(id)];
        if (id >= 0 && !forbidden) break;
        id = -1;
      }
      if (id < 0) return false;
      out.push_back({id, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
      begin = end;
    }
    return true;
  }

  PieceTable first_, next_;
  std::vector<bool> control_;
  WordPieceOptions options_;
};

}  // namespace

std::unique_ptr<Model> word_piece_model(PieceTable first, PieceTable next,
                                        std::vector<bool> control,
                                        const WordPieceOptions& options) {
  return std::make_unique<WordPieceModel>(std::move(first), std::move(next), std::move(control),
                                          options);
}

}  // namespace tessera
