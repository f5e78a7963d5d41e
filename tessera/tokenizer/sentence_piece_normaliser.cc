#include "tessera/tokenizer/sentence_piece_normaliser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tessera/text/utf8.h"
#include "tessera/tokenizer/piece_trie.h"

namespace tessera {
namespace {

constexpr std::string_view kMark = "\xE2\x96\x81", kReplacement = "\xEF\xBF\xBD";

class SentencePieceNormaliser : public Normaliser {
 public:
  explicit SentencePieceNormaliser(SentencePieceRules rules) : rules_(std::move(rules)) {
    std::vector<PieceTrie::Entry> entries;
    entries.reserve(rules_.kept.size());
    for (const std::string& piece : rules_.kept) entries.push_back({piece, 0});
    kept_ = PieceTrie(std::move(entries));
    space_ = rules_.escape ? kMark : std::string_view(" ");
    for (char c = '!'; c < 127; ++c) plain_[static_cast<size_t>(c)] = is_plain(c);
  }

  AlignedText apply(AlignedText text) const override {
    if (text.text().empty()) return text;
    AlignedBuilder out(text);
    Run(*this, text.text(), space_, out).run();
    return out.finish();
  }

  bool marks_spaces() const override { return rules_.escape; }
  void write_spaced(std::string_view text, std::string& out) const override {
    if (text.empty()) return;
    Plain plain(text, out);
    Run(*this, text, " ", plain).run();
  }

  std::optional<SpaceMarks> space_marks() const override {
    const bool plain =
        !rules_.map && !rules_.remove_extra && rules_.escape && !rules_.space_as_suffix;
    auto spaced = [](const std::string& piece) { return piece.find(' ') != std::string::npos; };
    if (!plain || std::any_of(rules_.kept.begin(), rules_.kept.end(), spaced)) return std::nullopt;
    return SpaceMarks{.prefix = rules_.dummy_prefix, .utf8_only = rules_.replace_invalid};
  }

 private:
  bool is_plain(char c) const {
    for (const std::string& piece : rules_.kept) {
      if (piece.starts_with(c)) return false;
    }
    if (!rules_.map) return true;
    if (rules_.map->longest({&c, 1}).length > 0) return false;
    for (char next = 1; next > 0 && next < 127; ++next) {
      const char both[] = {c, next};
      if (rules_.map->begins({both, 2})) return false;
    }
    return true;
  }

  // What the text at a byte becomes, and how many bytes that takes.
  struct Change {
    std::string_view text;
    size_t length;
  };

  Change change_at(std::string_view text, size_t at) const {
    const std::string_view rest = text.substr(at);
    size_t kept = 0;
    if (!kept_.empty()) kept_.prefixes(rest, [&](size_t length, int32_t) { kept = length; });
    if (kept > 0) return {rest.substr(0, kept), kept};
    if (rules_.map) {
      const Charsmap::Match match = rules_.map->longest(rest);
      if (match.length > 0) return {match.replacement, match.length};
    }
    const Unit u = unit_at(text, at);
    if (u.code >= kInvalidByte && rules_.replace_invalid) return {kReplacement, 1};
    return {rest.substr(0, u.length), u.length};
  }

  // How many bytes from `at` on stay as they are: visible ASCII that begins nothing of the map and
  // no piece, the last one not in front of what it might join with.
  size_t plain_run(std::string_view text, size_t at) const {
    size_t end = at;
    while (end < text.size() && plain_[static_cast<unsigned char>(text[end])]) ++end;
    const bool may_join =
        end > at && end < text.size() && static_cast<unsigned char>(text[end]) >= 128;
    return end - at - (may_join ? 1 : 0);
  }

  // Takes what a text becomes, and forgets where it came from.
  class Plain {
   public:
    Plain(std::string_view from, std::string& out) : from_(from), out_(out) {}
    void keep(ByteRange range) { out_.append(from_.substr(range.begin, range.size())); }
    void put(std::string_view text, ByteRange) { out_.append(text); }

   private:
    std::string_view from_;
    std::string& out_;
  };

  // One text on its way. Spaces at the end of what has been written wait, since they may have to
  // go.
  template <class Sink>
  class Run {
   public:
    Run(const SentencePieceNormaliser& of, std::string_view text, std::string_view space, Sink& out)
        : of_(of), bytes_(text), space_(space), next_(out) {}

    void run() {
      const SentencePieceRules& rules = of_.rules_;
      size_t at = rules.remove_extra ? leading_spaces() : 0;
      if (at == bytes_.size()) return;
      if (rules.dummy_prefix && !rules.space_as_suffix) waiting_.push_back({at, at});
      bool after_space = rules.remove_extra;
      while (at < bytes_.size()) {
        if (const size_t plain = of_.plain_run(bytes_, at); plain > 0) {
          flush();
          next_.keep({at, at + plain});
          after_space = false;
          at += plain;
          continue;
        }
        const Change change = of_.change_at(bytes_, at);
        std::string_view text = change.text;
        while (after_space && text.starts_with(' ')) text.remove_prefix(1);
        const bool untouched = text.data() == bytes_.data() + at && text.size() == change.length;
        write(text, {at, at + change.length}, untouched);
        if (!text.empty()) after_space = rules.remove_extra && text.ends_with(' ');
        at += change.length;
      }
      if (!rules.remove_extra) flush();
      if (rules.dummy_prefix && rules.space_as_suffix) next_.put(space_, {at, at});
    }

   private:
    size_t leading_spaces() const {
      size_t at = 0;
      while (at < bytes_.size()) {
        const Change change = of_.change_at(bytes_, at);
        if (change.text != " ") break;
        at += change.length;
      }
      return at;
    }

    // `text` in place of the bytes `from`; untouched: it is those bytes.
    void write(std::string_view text, ByteRange from, bool untouched) {
      size_t done = 0;
      auto put = [&](size_t end) {
        if (end == done) return;
        flush();
        if (untouched) {
          next_.keep({from.begin + done, from.begin + end});
        } else {
          next_.put(text.substr(done, end - done), from);
        }
        done = end;
      };
      for (size_t i = 0; i < text.size();) {
        const std::string_view rest = text.substr(i);
        const bool mark =
            of_.rules_.escape && of_.rules_.marks_are_spaces && rest.starts_with(kMark);
        if (!mark && rest.front() != ' ') {
          ++i;
          continue;
        }
        const size_t length = mark ? kMark.size() : 1;
        put(i);
        waiting_.push_back(untouched ? ByteRange{from.begin + i, from.begin + i + length} : from);
        i += length;
        done = i;
      }
      put(text.size());
    }

    void flush() {
      for (const ByteRange& from : waiting_) next_.put(space_, from);
      waiting_.clear();
    }

    const SentencePieceNormaliser& of_;
    std::string_view bytes_, space_;
    Sink& next_;
    std::vector<ByteRange> waiting_;
  };

  SentencePieceRules rules_;
  PieceTrie kept_;
  std::string_view space_;
  std::array<bool, 256> plain_{};
};

}  // namespace

std::unique_ptr<Normaliser> sentence_piece_normaliser(SentencePieceRules rules) {
  return std::make_unique<SentencePieceNormaliser>(std::move(rules));
}

}  // namespace tessera
