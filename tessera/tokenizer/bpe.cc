#include "tessera/tokenizer/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <mutex>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/pair_table.h"

namespace tessera {
namespace {

// Symbols up to which a scan beats a heap, and the largest window that is tried.
constexpr size_t kWindow = 64, kLargestWindow = 4096;

class BytePairModel : public Model {
 public:
  BytePairModel(PieceTable pieces, const std::vector<BpeMerge>& merges, std::vector<bool> control,
                BpeOptions options)
      : pieces_(std::move(pieces)),
        pairs_(merges),
        control_(std::move(control)),
        options_(std::move(options)) {
    for (const BpeMerge& m : merges) {
      const auto result = static_cast<size_t>(m.result);
      if (result >= merged_.size()) merged_.resize(result + result / 2 + 1);
      merged_[result] = true;
      gives_control_ = gives_control_ || is_control(m.result);
    }
    single_.fill(-1);
    fallback_.fill(-1);
    for (size_t b = 0; b < 256; ++b) {
      char byte = static_cast<char>(b);
      bool one_unit = options_.reading == Reading::byte_level || b < 0x80;
      if (one_unit) single_[b] = pieces_.find({&byte, 1});
      constexpr char kHex[] = "0123456789ABCDEF";
      std::string name = std::string("<0x") + kHex[b >> 4] + kHex[b & 15] + ">";
      fallback_[b] = pieces_.find(name);
    }
    plain_ = options_.continuing_prefix.empty() && options_.end_suffix.empty();
    can_cut_ = plain_ && !crosses_borders(merges);
    if (options_.reading == Reading::byte_level) join_bytes();
    if (plain_ && options_.reading == Reading::utf8) {
      characters_.resize(0x10000, -1);
      pieces_.each([this](std::string_view piece, TokenId id) {
        const Unit unit = unit_at(piece, 0);
        if (unit.length == piece.size() && unit.code < characters_.size()) {
          characters_[unit.code] = id;
        }
      });
    }
  }

  std::string name() const override {
    return options_.reading == Reading::byte_level ? "byte-level BPE" : "BPE";
  }

  void encode(std::string_view piece, bool allow_control,
              std::vector<ModelToken>& out) const override {
    if (piece.empty()) return;
    check_size(piece);
    if (!whole(piece, allow_control, out)) encode_part(piece, allow_control, out);
  }

  bool whole(std::string_view piece, bool allow_control,
             std::vector<ModelToken>& out) const override {
    if (!options_.ignore_merges) return false;
    const TokenId token = pieces_.find(piece);
    if (!allowed(token, allow_control)) return false;
    out.push_back({token, 0, static_cast<uint32_t>(piece.size())});
    return true;
  }

  void encode_part(std::string_view piece, bool allow_control,
                   std::vector<ModelToken>& out) const override {
    const size_t first = out.size();
    symbols(piece, allow_control, out);
    if (out.size() - first <= kWindow) {
      join_short(out, first, allow_control);
    } else {
      join_windows(piece, out, first, allow_control);
    }
    spell_bare(piece, out, first, allow_control);
  }

  // Of short parts whose symbols are all known: as join_short(), on ids alone.
  void append_ids(std::string_view part, bool allow_control, std::vector<ModelToken>& scratch,
                  IdBuffer& out) const override {
    std::array<TokenId, kWindow> ids;
    std::array<uint32_t, kWindow> ranks;
    const size_t symbols = known_symbols(part, allow_control, ids);
    if (symbols == 0) return Model::append_ids(part, allow_control, scratch, out);
    size_t count = symbols;
    if (options_.reading == Reading::byte_level) {
      for (size_t i = 0; i + 1 < count; ++i) {
        ranks[i] = byte_pairs_[static_cast<size_t>(static_cast<unsigned char>(part[i])) << 8 |
                               static_cast<unsigned char>(part[i + 1])];
      }
    } else {
      for (size_t i = 0; i + 1 < count; ++i) ranks[i] = pairs_.find_packed(ids[i], ids[i + 1]);
    }
    while (count > 1) {
      size_t best = 0;
      for (size_t i = 1; i + 1 < count; ++i) best = ranks[i] < ranks[best] ? i : best;
      if (ranks[best] == kNoRank) break;
      ids[best] = pairs_.result_of(ranks[best]);
      --count;
      for (size_t i = best + 1; i < count; ++i) ids[i] = ids[i + 1];
      for (size_t i = best + 1; i + 1 < count; ++i) ranks[i] = ranks[i + 1];
      if (best + 1 < count) ranks[best] = pairs_.find_packed(ids[best], ids[best + 1]);
      if (best > 0) ranks[best - 1] = pairs_.find_packed(ids[best - 1], ids[best]);
    }
    std::copy_n(ids.begin(), count, out.room(count));
    out.written(count);
  }

  void draw(std::string_view piece, bool allow_control, const Sampling& sampling, Random& random,
            std::vector<ModelToken>& out) const override {
    check_size(piece);
    const size_t first = out.size();
    symbols(piece, allow_control, out);
    constexpr double kUsual = 0.1;
    const double rate = sampling.rate.value_or(options_.dropout.value_or(kUsual));
    join_drawn(out, first, allow_control, rate, random);
    spell_bare(piece, out, first, allow_control);
  }

  bool cuts_at_borders() const override { return can_cut_ && !options_.ignore_merges; }
  const Borders* borders() const override {
    if (!can_cut_) return nullptr;
    std::call_once(borders_once_, [this] {
      borders_ = std::make_unique<Borders>(options_.reading == Reading::utf8);
      const auto add = [this](std::string_view token, TokenId id) {
        const auto index = static_cast<size_t>(id);
        if (index < merged_.size() && merged_[index]) borders_->add(token);
      };
      pieces_.each(add);
      options_.whole.each([this](std::string_view token, TokenId) { borders_->add(token); });
      borders_->finish();
    });
    return borders_.get();
  }

 private:
  static void check_size(std::string_view piece) {
    if (piece.size() < std::numeric_limits<uint32_t>::max()) return;
    throw Error("", "a stretch of text without a place to cut it has 4 GiB or more",
                "Cut the text into lines or files.");
  }

  // What two bytes become, so that the first look-ups of a word cost little.
  void join_bytes() {
    if (!pairs_.packed()) return;
    byte_pairs_.assign(size_t{1} << 16, kNoRank);
    for (size_t pair = 0; pair < byte_pairs_.size(); ++pair) {
      const TokenId left = single_[pair >> 8], right = single_[pair & 255];
      if (left >= 0 && right >= 0) byte_pairs_[pair] = pairs_.find_packed(left, right);
    }
  }

  // The symbols of a part, if they are no more than a window, all tokens, and nothing else than
  // plain merges is to be thought of; else 0.
  size_t known_symbols(std::string_view part, bool allow_control,
                       std::array<TokenId, kWindow>& ids) const {
    if (!pairs_.packed() || !plain_ || options_.whole.size() > 0) return 0;
    if (gives_control_ && !allow_control) return 0;
    size_t count = 0;
    if (options_.reading == Reading::byte_level) {
      if (part.size() > kWindow) return 0;
      for (const char c : part) {
        const TokenId id = single_[static_cast<unsigned char>(c)];
        if (!allowed(id, allow_control)) return 0;
        ids[count++] = id;
      }
      return count;
    }
    for (size_t at = 0; at < part.size();) {
      const Unit unit = unit_at(part, at);
      const TokenId id = unit.length == 1 ? single_[static_cast<unsigned char>(part[at])]
                         : unit.code < characters_.size() ? characters_[unit.code]
                                                          : TokenId{-1};
      if (count == kWindow || id >= options_.bare_from || !allowed(id, allow_control)) return 0;
      ids[count++] = id;
      at += unit.length;
    }
    return count;
  }

  // Whether tokens can depend on what stands beyond a border: unknown neighbours that become one
  // token, or merges of tokens whose names are not the text they stand for.
  bool crosses_borders(const std::vector<BpeMerge>& merges) const {
    bool bytes = options_.byte_fallback;
    for (size_t b = 0; b < 256; ++b) bytes = bytes && (fallback_[b] >= 0 || single_[b] >= 0);
    if (options_.unknown && options_.fuse_unknown && !bytes) return true;
    std::vector<bool> no_text;
    const auto mark = [&no_text](TokenId id) {
      const auto index = static_cast<size_t>(std::max(id, TokenId{0}));
      if (index >= no_text.size()) no_text.resize(index + 1);
      no_text[index] = no_text[index] || id >= 0;
    };
    mark(options_.unknown.value_or(-1));
    if (options_.byte_fallback) std::for_each(fallback_.begin(), fallback_.end(), mark);
    const auto names_no_text = [&no_text](TokenId id) {
      return static_cast<size_t>(id) < no_text.size() && no_text[static_cast<size_t>(id)];
    };
    return std::any_of(merges.begin(), merges.end(), [&](const BpeMerge& m) {
      return names_no_text(m.left) || names_no_text(m.right);
    });
  }

  bool is_control(TokenId id) const {
    return static_cast<size_t>(id) < control_.size() && control_[static_cast<size_t>(id)];
  }
  bool allowed(TokenId id, bool allow_control) const {
    return id >= 0 && (allow_control || !is_control(id));
  }
  Joined join(TokenId left, TokenId right, bool allow_control) const {
    Joined joined = pairs_.find(left, right);
    if (joined.result >= 0 && !allow_control && is_control(joined.result)) return {};
    return joined;
  }

  TokenId symbol(std::string_view text, bool is_first, bool is_last) const {
    if (plain_) {
      if (text.size() == 1) return single_[static_cast<unsigned char>(text[0])];
      const char32_t code = unit_at(text, 0).code;
      return code < characters_.size() ? characters_[code] : pieces_.find(text);
    }
    std::string name = is_first ? "" : options_.continuing_prefix;
    name += text;
    if (is_last) name += options_.end_suffix;
    return pieces_.find(name);
  }

  void symbols(std::string_view piece, bool allow_control, std::vector<ModelToken>& out) const {
    // An unknown symbol waits for the next known one, so that unknown neighbours can fuse. Byte
    // tokens do not end the wait: that is what the reference does.
    bool waiting = false;
    ModelToken unknown{};
    for (uint32_t at = 0; at < piece.size();) {
      if (const uint32_t whole = whole_at(piece.substr(at)); whole > 0) {
        if (std::exchange(waiting, false)) out.push_back(unknown);
        out.push_back({options_.whole.find(piece.substr(at, whole)), at, at + whole});
        at += whole;
        continue;
      }
      uint32_t length = options_.reading == Reading::byte_level ? 1 : unit_at(piece, at).length;
      std::string_view text = piece.substr(at, length);
      const uint32_t end = at + length;
      TokenId id = symbol(text, at == 0, end == piece.size());
      if (allowed(id, allow_control)) {
        if (std::exchange(waiting, false)) out.push_back(unknown);
        out.push_back({id, at, end});
      } else if (!fall_back(text, at, allow_control, out) && options_.unknown) {
        if (waiting && options_.fuse_unknown) {
          unknown.end = end;
        } else {
          if (waiting) out.push_back(unknown);
          unknown = {*options_.unknown, at, end};
          waiting = true;
        }
      }
      at = end;
    }
    if (waiting) out.push_back(unknown);
  }

  // Length of the longest token that is never cut at the front of `text`; 0: none is there.
  uint32_t whole_at(std::string_view text) const {
    for (size_t n = std::min(options_.whole.longest(), text.size()); n > 0; --n) {
      if (options_.whole.has_length(n) && options_.whole.find(text.substr(0, n)) >= 0) {
        return static_cast<uint32_t>(n);
      }
    }
    return 0;
  }

  bool fall_back(std::string_view text, uint32_t at, bool allow_control,
                 std::vector<ModelToken>& out) const {
    if (!options_.byte_fallback) return false;
    for (char c : text) {
      if (!allowed(fallback_[static_cast<unsigned char>(c)], allow_control)) return false;
    }
    for (char c : text) {
      out.push_back({fallback_[static_cast<unsigned char>(c)], at, at + 1});
      ++at;
    }
    return true;
  }

  // What no merge took of the symbols without a token becomes bytes or unknown.
  void spell_bare(std::string_view piece, std::vector<ModelToken>& out, size_t first,
                  bool allow_control) const {
    const auto begin = out.begin() + static_cast<ptrdiff_t>(first);
    const auto bare = [this](const ModelToken& t) { return t.id >= options_.bare_from; };
    if (std::none_of(begin, out.end(), bare)) return;
    const std::vector<ModelToken> joined(begin, out.end());
    out.resize(first);
    for (ModelToken token : joined) {
      if (bare(token)) {
        const std::string_view text = piece.substr(token.begin, token.end - token.begin);
        if (fall_back(text, token.begin, allow_control, out) || !options_.unknown) continue;
        token.id = *options_.unknown;
      }
      const bool fuses = options_.fuse_unknown && token.id == options_.unknown &&
                         out.size() > first && out.back().id == token.id;
      if (fuses) {
        out.back().end = token.end;
      } else {
        out.push_back(token);
      }
    }
  }

  void join_short(std::vector<ModelToken>& out, size_t first, bool allow_control) const {
    ModelToken* tokens = out.data() + first;
    size_t count = out.size() - first;
    std::array<Joined, kWindow> joined;
    for (size_t i = 0; i + 1 < count; ++i) {
      joined[i] = join(tokens[i].id, tokens[i + 1].id, allow_control);
    }
    while (count > 1) {
      size_t best = 0;
      for (size_t i = 1; i + 1 < count; ++i) {
        if (joined[i].rank < joined[best].rank) best = i;
      }
      if (joined[best].rank == kNoRank) break;
      tokens[best].id = joined[best].result;
      tokens[best].end = tokens[best + 1].end;
      std::copy(tokens + best + 2, tokens + count, tokens + best + 1);
      if (best + 2 < count) {
        std::copy(joined.begin() + static_cast<ptrdiff_t>(best) + 2,
                  joined.begin() + static_cast<ptrdiff_t>(count) - 1,
                  joined.begin() + static_cast<ptrdiff_t>(best) + 1);
      }
      --count;
      if (best + 1 < count)
        joined[best] = join(tokens[best].id, tokens[best + 1].id, allow_control);
      if (best > 0) joined[best - 1] = join(tokens[best - 1].id, tokens[best].id, allow_control);
    }
    out.resize(first + count);
  }

  // Joins a long piece window by window. Two encodings that share a token are one encoding when
  // they are put together there, since every border between tokens lies inside one of the two. So a
  // window begins at the last token that is sure, which must come out again; if it does not, the
  // window grows, and in the end the piece is joined as a whole.
  void join_windows(std::string_view piece, std::vector<ModelToken>& out, size_t first,
                    bool allow_control) const {
    const std::vector<ModelToken> symbols(out.begin() + static_cast<ptrdiff_t>(first), out.end());
    out.resize(first);
    std::vector<ModelToken> window;
    size_t size = kWindow;
    for (size_t at = 0;;) {
      const size_t end = std::min(at + size, symbols.size());
      window.assign(symbols.begin() + static_cast<ptrdiff_t>(at),
                    symbols.begin() + static_cast<ptrdiff_t>(end));
      window.size() <= kWindow ? join_short(window, 0, allow_control)
                               : join_long(window, 0, allow_control);
      const size_t known = out.size() > first ? 1 : 0;
      const bool joins =
          known == 0 || (window[0].id == out.back().id && window[0].end == out.back().end);
      if (!joins && (end == symbols.size() || size >= kLargestWindow)) {
        out.resize(first);
        out.insert(out.end(), symbols.begin(), symbols.end());
        return join_long(out, first, allow_control);
      }
      size_t sure = window.size();
      if (end < symbols.size()) {
        // What later symbols may change: the last quarter.
        const uint32_t limit = symbols[end - size / 4].begin;
        while (sure > 0 && window[sure - 1].end > limit) --sure;
      }
      if (!joins || (sure < known + 1 && end < symbols.size())) {
        size *= 2;
        continue;
      }
      out.insert(out.end(), window.begin() + static_cast<ptrdiff_t>(known),
                 window.begin() + static_cast<ptrdiff_t>(sure));
      if (end == symbols.size()) return;
      repeat_period(piece, out, first);
      const auto before = [](const ModelToken& symbol, uint32_t begin) {
        return symbol.begin < begin;
      };
      at = static_cast<size_t>(std::lower_bound(symbols.begin() + static_cast<ptrdiff_t>(at),
                                                symbols.end(), out.back().begin, before) -
                               symbols.begin());
    }
  }

  // Where the text goes on as it did since an equal token, the tokens do, too: encodings are joined
  // at that token, over and over.
  static void repeat_period(std::string_view piece, std::vector<ModelToken>& out, size_t first) {
    constexpr size_t kLookBack = 32, kLeastPeriods = 4;
    const size_t last = out.size() - 1;
    size_t equal = last;
    do {
      if (equal == first || last - equal == kLookBack) return;
      --equal;
    } while (out[equal].id != out[last].id);
    const uint32_t begin = out[last].begin, period = begin - out[equal].begin;
    if (period == 0) return;
    size_t same = 0;
    while (begin + same < piece.size() && piece[begin + same] == piece[begin + same - period]) {
      ++same;
    }
    const size_t length = out[last].end - begin;
    if (same < length + kLeastPeriods * period) return;
    const size_t cycles = (same - length) / period, tokens = last - equal;
    out.reserve(out.size() + cycles * tokens);
    for (size_t i = 0; i < cycles * tokens; ++i) {
      ModelToken next = out[out.size() - tokens];
      next.begin += period;
      next.end += period;
      out.push_back(next);
    }
  }

  void join_long(std::vector<ModelToken>& out, size_t first, bool allow_control) const {
    join_by_rank(out, first, allow_control, [] { return false; });
  }
  void join_drawn(std::vector<ModelToken>& out, size_t first, bool allow_control, double rate,
                  Random& random) const {
    join_by_rank(out, first, allow_control, [&] { return random.uniform() < rate; });
  }

  // A linked list of symbols and a heap of the merges that can happen; entries whose pair has
  // changed are skipped when they come up. `passes()` says that an entry is passed over.
  template <class Passes>
  void join_by_rank(std::vector<ModelToken>& out, size_t first, bool allow_control,
                    const Passes& passes) const {
    struct Candidate {
      uint32_t rank, at;
      bool operator<(const Candidate& other) const {
        return rank != other.rank ? rank > other.rank : at > other.at;
      }
    };
    ModelToken* tokens = out.data() + first;
    const auto count = static_cast<uint32_t>(out.size() - first);
    std::vector<uint32_t> next(count), previous(count);
    std::vector<Joined> joined(count);
    std::vector<Candidate> heap, passed;
    for (uint32_t i = 0; i < count; ++i) {
      next[i] = i + 1;
      previous[i] = i - 1;
      if (i + 1 == count) break;
      joined[i] = join(tokens[i].id, tokens[i + 1].id, allow_control);
      if (joined[i].rank != kNoRank) heap.push_back({joined[i].rank, i});
    }
    std::make_heap(heap.begin(), heap.end());
    const auto push = [&heap](Candidate candidate) {
      heap.push_back(candidate);
      std::push_heap(heap.begin(), heap.end());
    };
    auto renew = [&](uint32_t i) {
      joined[i] =
          next[i] < count ? join(tokens[i].id, tokens[next[i]].id, allow_control) : Joined{};
      if (joined[i].rank != kNoRank) push({joined[i].rank, i});
    };
    while (!heap.empty()) {
      Candidate top = heap.front();
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
      if (joined[top.at].rank != top.rank) continue;
      if (passes()) {
        if (options_.retries) passed.push_back(top);
        continue;
      }
      for (const Candidate candidate : std::exchange(passed, {})) push(candidate);
      uint32_t gone = next[top.at];
      tokens[top.at].id = joined[top.at].result;
      tokens[top.at].end = tokens[gone].end;
      joined[gone] = {};
      next[top.at] = next[gone];
      if (next[gone] < count) previous[next[gone]] = top.at;
      renew(top.at);
      if (top.at > 0) renew(previous[top.at]);
    }
    size_t kept = 0;
    for (uint32_t i = 0; i < count; i = next[i]) tokens[kept++] = tokens[i];
    out.resize(first + kept);
  }

  PieceTable pieces_;
  PairTable pairs_;
  std::vector<bool> control_;
  BpeOptions options_;
  std::array<TokenId, 256> single_{}, fallback_{};
  std::vector<uint32_t> byte_pairs_;  // [first, second], as PairTable::find_packed() says
  bool gives_control_ = false;        // whether some merge gives a control token
  std::vector<TokenId> characters_;   // tokens of one character of the basic plane, by code
  bool plain_ = true, can_cut_ = false;
  std::vector<bool> merged_;  // tokens that a merge gives
  mutable std::once_flag borders_once_;
  mutable std::unique_ptr<Borders> borders_;
};

}  // namespace

std::vector<BpeMerge> merges_by_name(const VocabularyTable& vocabulary,
                                     std::span<const MergeNames> names, size_t prefix,
                                     const std::function<void(size_t, std::string_view)>& unknown) {
  std::string joined;
  std::vector<size_t> ends;
  ends.reserve(names.size());
  for (const MergeNames& merge : names) {
    joined.append(merge.left).append(merge.right.substr(prefix));
    ends.push_back(joined.size());
  }
  // Left, right and joined piece of each.
  std::vector<std::string_view> pieces;
  pieces.reserve(3 * names.size());
  for (size_t i = 0, begin = 0; i < names.size(); begin = ends[i++]) {
    const auto both = std::string_view(joined).substr(begin, ends[i] - begin);
    pieces.insert(pieces.end(), {names[i].left, names[i].right, both});
  }
  std::vector<TokenId> ids(pieces.size());
  vocabulary.find_all(pieces, ids.data());
  std::vector<BpeMerge> merges;
  merges.reserve(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    const TokenId* found = ids.data() + 3 * i;
    for (size_t k = 0; k < 3; ++k) {
      if (found[k] < 0) unknown(i, pieces[3 * i + k]);
    }
    merges.push_back({found[0], found[1], found[2], static_cast<uint32_t>(i)});
  }
  return merges;
}

std::unique_ptr<Model> byte_pair_model(PieceTable pieces, const std::vector<BpeMerge>& merges,
                                       std::vector<bool> control, BpeOptions options) {
  return std::make_unique<BytePairModel>(std::move(pieces), merges, std::move(control),
                                         std::move(options));
}

}  // namespace tessera
