#include "tessera/tokenizer/decoders.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tessera/text/utf8.h"

namespace tessera {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  size_t at = from.empty() ? std::string::npos : text.find(from);
  if (at == std::string::npos) return;
  std::string out;
  size_t done = 0;
  for (; at != std::string::npos; at = text.find(from, done)) {
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  text = out.append(text, done);
}

// The space that was put between words does not belong in front of these.
void clean_up(std::string& text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> rules = {
      {{" .", "."},
       {" ?", "?"},
       {" !", "!"},
       {" ,", ","},
       {" ' ", "'"},
       {" n't", "n't"},
       {" 'm", "'m"},
       {" do not", " don't"},
       {" 's", "'s"},
       {" 've", "'ve"},
       {" 're", "'re"}}};
  for (const auto& [from, to] : rules) replace_all(text, from, to);
}

class SpaceJoiner : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 1; i < pieces.size(); ++i) pieces[i].insert(0, 1, ' ');
  }
};

// Decoders that look at one piece at a time.
class PieceDecoder : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    for (std::string& p : pieces) apply_piece(p);
  }
  bool piecewise() const override { return true; }
  void apply_piece(std::string& piece) const override = 0;
};

class FuseDecoder : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    std::string all;
    for (const std::string& p : pieces) all += p;
    pieces.resize(1);
    pieces[0] = std::move(all);
  }
  bool piecewise() const override { return true; }
};

class Sequence : public Decoder {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Decoder>> parts) : parts_(std::move(parts)) {
    while (alone_ < parts_.size() && parts_[alone_]->piecewise()) {
      if (dynamic_cast<const FuseDecoder*>(parts_[alone_++].get())) {
        piecewise_ = true;
        return;
      }
    }
    piecewise_ = alone_ == parts_.size();
  }
  void apply(std::vector<std::string>& pieces) const override {
    for (const auto& part : parts_) part->apply(pieces);
  }
  bool local() const override {
    for (const auto& part : parts_) {
      if (!part->local()) return false;
    }
    return true;
  }
  bool piecewise() const override { return piecewise_; }
  void apply_piece(std::string& piece) const override {
    for (size_t i = 0; i < alone_; ++i) parts_[i]->apply_piece(piece);
  }
  void apply_joined(std::string& text) const override {
    if (alone_ == parts_.size()) return;
    std::vector<std::string> pieces;
    pieces.push_back(std::move(text));
    for (size_t i = alone_; i < parts_.size(); ++i) parts_[i]->apply(pieces);
    text.clear();
    for (const std::string& p : pieces) text += p;
  }

 private:
  std::vector<std::unique_ptr<Decoder>> parts_;
  size_t alone_ = 0;        // the parts that see pieces alone, the fusing one included
  bool piecewise_ = false;  // what follows them sees the fused text, or there is nothing
};

class ByteLevelDecoder : public PieceDecoder {
 public:
  void apply_piece(std::string& piece) const override { piece = byte_level_bytes(piece); }
};

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) {
        if (pieces[i].starts_with(prefix_)) {
          pieces[i].erase(0, prefix_.size());
        } else {
          pieces[i].insert(0, 1, ' ');
        }
      }
      if (cleanup_) clean_up(pieces[i]);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class ByteFallbackDecoder : public PieceDecoder {
 public:
  void apply_piece(std::string& piece) const override {
    const int byte = named_byte(piece);
    if (byte >= 0) piece.assign(1, static_cast<char>(byte));
  }
};

class StripDecoder : public PieceDecoder {
 public:
  StripDecoder(std::string content, size_t start, size_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void apply_piece(std::string& piece) const override {
    size_t begin = 0, end = piece.size();
    const std::string_view text = piece;
    for (size_t n = 0; n < start_ && text.substr(begin).starts_with(content_); ++n) {
      begin += content_.size();
    }
    for (size_t n = 0;
         n < stop_ && end > begin && text.substr(begin, end - begin).ends_with(content_); ++n) {
      end -= content_.size();
    }
    piece = piece.substr(begin, end - begin);
  }
  bool local() const override { return stop_ == 0; }

 private:
  std::string content_;
  size_t start_, stop_;
};

class ReplaceDecoder : public PieceDecoder {
 public:
  ReplaceDecoder(Pattern pattern, std::string content, bool one_unit)
      : pattern_(std::move(pattern)), content_(std::move(content)), one_unit_(one_unit) {}
  void apply_piece(std::string& piece) const override {
    std::vector<ByteRange> matches;
    pattern_.find_all(piece, {0, piece.size()}, Reading::utf8, matches);
    std::string out;
    size_t done = 0;
    for (ByteRange m : matches) {
      out.append(piece, done, m.begin - done).append(content_);
      done = m.end;
    }
    piece = out.append(piece, done);
  }
  bool local() const override { return one_unit_; }

 private:
  Pattern pattern_;
  std::string content_;
  bool one_unit_;
};

class MetaspaceDecoder : public Decoder {
 public:
  MetaspaceDecoder(std::string replacement, PrependScheme prepend)
      : replacement_(std::move(replacement)), prepend_(prepend) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      bool drop = i == 0 && prepend_ != PrependScheme::never;
      replace_all(pieces[i], replacement_, drop ? "" : " ");
    }
  }

 private:
  std::string replacement_;
  PrependScheme prepend_;
};

class SuffixDecoder : public Decoder {
 public:
  explicit SuffixDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      replace_all(pieces[i], suffix_, i + 1 == pieces.size() ? "" : " ");
    }
  }
  bool local() const override { return false; }

 private:
  std::string suffix_;
};

class CtcDecoder : public Decoder {
 public:
  explicit CtcDecoder(CtcOptions options) : options_(std::move(options)) {}
  void apply(std::vector<std::string>& pieces) const override {
    pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
    for (std::string& p : pieces) {
      replace_all(p, options_.pad, "");
      if (!options_.cleanup) continue;
      clean_up(p);
      replace_all(p, options_.word_end, " ");
    }
    std::erase(pieces, "");
  }
  bool local() const override { return false; }

 private:
  CtcOptions options_;
};

}  // namespace

std::string marks_to_spaces(std::string_view piece) {
  constexpr std::string_view kMark = "\xE2\x96\x81";
  std::string out;
  for (size_t at = 0; at < piece.size();) {
    if (piece.substr(at).starts_with(kMark)) {
      out += ' ';
      at += kMark.size();
    } else {
      out += piece[at++];
    }
  }
  return out;
}

int named_byte(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  int value = 0;
  for (char c : piece.substr(3, 2)) {
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                       : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

std::string byte_level_bytes(std::string_view piece) {
  std::string out;
  for (size_t i = 0; i < piece.size();) {
    Unit u = unit_at(piece, i);
    int byte = byte_level_byte(u.code);
    if (byte < 0) return std::string(piece);
    out += static_cast<char>(byte);
    i += u.length;
  }
  return out;
}

std::unique_ptr<Decoder> space_joiner() { return std::make_unique<SpaceJoiner>(); }
std::unique_ptr<Decoder> sequence(std::vector<std::unique_ptr<Decoder>> parts) {
  return std::make_unique<Sequence>(std::move(parts));
}
std::unique_ptr<Decoder> byte_level_decoder() { return std::make_unique<ByteLevelDecoder>(); }
std::unique_ptr<Decoder> word_piece_decoder(std::string prefix, bool cleanup) {
  return std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup);
}
std::unique_ptr<Decoder> byte_fallback_decoder() { return std::make_unique<ByteFallbackDecoder>(); }
std::unique_ptr<Decoder> fuse_decoder() { return std::make_unique<FuseDecoder>(); }
std::unique_ptr<Decoder> strip_decoder(std::string content, size_t start, size_t stop) {
  return std::make_unique<StripDecoder>(std::move(content), start, stop);
}
std::unique_ptr<Decoder> replace_decoder(Pattern pattern, std::string content, bool one_unit) {
  return std::make_unique<ReplaceDecoder>(std::move(pattern), std::move(content), one_unit);
}
std::unique_ptr<Decoder> metaspace_decoder(std::string replacement, PrependScheme prepend) {
  return std::make_unique<MetaspaceDecoder>(std::move(replacement), prepend);
}
std::unique_ptr<Decoder> ctc_decoder(CtcOptions options) {
  return std::make_unique<CtcDecoder>(std::move(options));
}
std::unique_ptr<Decoder> suffix_decoder(std::string suffix) {
  return std::make_unique<SuffixDecoder>(std::move(suffix));
}

}  // namespace tessera
