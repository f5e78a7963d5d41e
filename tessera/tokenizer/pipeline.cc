#include "tessera/tokenizer/pipeline.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/best_choices.h"
#include "tessera/tokenizer/decode_table.h"
#include "tessera/tokenizer/pair_encoding.h"
#include "tessera/tokenizer/seams.h"
#include "tessera/tokenizer/unit_encoder.h"
#include "tessera/tokenizer/word_cache.h"

namespace tessera {
namespace {

// Gives a piece's tokens instead of the model's encode().
using PieceSource =
    std::function<void(std::string_view piece, bool special, std::vector<ModelToken>& out)>;

// What a call of encode() works with; kept for the next call.
struct Scratch {
  const PieceSource* source = nullptr;
  UnitEncoder::State units;
  WordCache caches[2];  // without and with control tokens
  std::vector<AddedMatch> raw, inner;
  std::vector<ModelToken> tokens;
};

// A few scratches, so that threads need not share one and memory stays bounded.
class ScratchPool {
 public:
  std::unique_ptr<Scratch> take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Scratch>();
    auto scratch = std::move(free_.back());
    free_.pop_back();
    return scratch;
  }
  void give(std::unique_ptr<Scratch> scratch) {
    std::lock_guard lock(mutex_);
    if (free_.size() < kMost) free_.push_back(std::move(scratch));
  }

 private:
  static constexpr size_t kMost = 64;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> free_;
};

std::string thousands(int64_t n) {
  std::string digits = std::to_string(n);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

class Pipeline : public Tokenizer {
 public:
  explicit Pipeline(PipelineParts parts) : parts_(std::move(parts)) {
    std::vector<AddedToken> raw, normalised;
    for (AddedToken& t : parts_.added) {
      if (t.special) special_.resize(std::max(special_.size(), static_cast<size_t>(t.id) + 1));
      if (t.special) special_[static_cast<size_t>(t.id)] = true;
      if (t.normalised && parts_.normaliser) {
        AddedToken changed = t;
        changed.content = parts_.normaliser->apply(AlignedText(t.content)).text();
        normalised.push_back(std::move(changed));
      } else {
        (t.normalised ? normalised : raw).push_back(t);
      }
    }
    raw_ = AddedTokenMatcher(std::move(raw));
    normalised_ = AddedTokenMatcher(std::move(normalised));
    parts_.added.clear();
    seams_ = std::make_unique<Seams>(raw_, normalised_, parts_.normaliser.get(),
                                     parts_.pre_tokenizer.get(), *parts_.model);
    if (normalised_.empty()) {
      units_ = UnitEncoder::make(parts_.normaliser.get(), parts_.pre_tokenizer.get(), *parts_.model,
                                 parts_.vocabulary->size());
    }
  }

  const Vocabulary& vocabulary() const override { return *parts_.vocabulary; }
  std::optional<TokenId> bos() const override { return parts_.bos; }
  std::optional<TokenId> eos() const override { return parts_.eos; }
  bool adds_bos() const override { return parts_.adds_bos; }
  bool library_parses_control() const override { return parts_.library_parses_control; }
  bool library_refuses_control() const override { return parts_.library_refuses_control; }
  std::optional<ByteSpan> find_control(std::string_view text) const override {
    std::vector<AddedMatch> found;
    raw_.split(text, {0, text.size()}, [](ByteRange) { return true; }, found);
    for (const AddedMatch& part : found) {
      if (part.id >= 0 && is_special(part.id)) return span_in(part.range);
    }
    return std::nullopt;
  }
  std::string summary() const override {
    return parts_.model->name() + ", " + thousands(parts_.vocabulary->size()) + " tokens";
  }

  Encoding encode(std::string_view text, const EncodeOptions& options) const override {
    if (!options.sampling) return encode_from(text, options, nullptr);
    Random random(options.sampling->seed, options.sampling->stream);
    const PieceSource draw = [&](std::string_view piece, bool special,
                                 std::vector<ModelToken>& out) {
      parts_.model->draw(piece, special, *options.sampling, random, out);
    };
    return encode_from(text, options, &draw);
  }

  std::vector<ScoredEncoding> encode_best(std::string_view text, int64_t count,
                                          const EncodeOptions& options) const override {
    if (count < 1) return {};
    std::vector<std::vector<ScoredWay>> pieces;
    const PieceSource collect = [&](std::string_view piece, bool special,
                                    std::vector<ModelToken>& out) {
      pieces.push_back(parts_.model->best_ways(piece, special, static_cast<size_t>(count)));
      out = pieces.back().front().tokens;
    };
    encode_from(text, options, &collect);
    // A model that cannot rank refuses a text without pieces, too.
    if (pieces.empty()) static_cast<void>(parts_.model->best_ways("", false, 1));
    std::vector<std::vector<double>> scores;
    for (const auto& ways : pieces) {
      auto& of_piece = scores.emplace_back();
      for (const ScoredWay& way : ways) of_piece.push_back(way.score);
    }
    std::vector<ScoredEncoding> out;
    for (const BestChoice& choice : best_choices(scores, static_cast<size_t>(count))) {
      size_t next = 0;
      const PieceSource chosen = [&](std::string_view, bool, std::vector<ModelToken>& tokens) {
        tokens = pieces[next][choice.items[next]].tokens;
        ++next;
      };
      ScoredEncoding& one = out.emplace_back();
      static_cast<Encoding&>(one) = encode_from(text, options, &chosen);
      one.score = choice.sum;
    }
    return out;
  }

  // `source`: null for the model's own tokens.
  Encoding encode_from(std::string_view text, const EncodeOptions& options,
                       const PieceSource* source) const {
    Encoding out;
    out.ids.reserve(text.size() / 4 + 8);
    out.spans.reserve(text.size() / 4 + 8);
    if (options.add_template) frame(parts_.frame.before, 0, out);
    const size_t first = out.ids.size();
    auto scratch = pool_.take();
    scratch->source = source;
    int32_t piece = 0;
    scratch->raw.clear();
    const auto special = [&](ByteRange r) { return may_be_special(span_in(r), options); };
    raw_.split(text, {0, text.size()}, special, scratch->raw);
    for (const AddedMatch& part : scratch->raw) {
      if (part.id >= 0) {
        add(part.id, span_in(part.range), piece++, options, out);
      } else {
        encode_text(text, part.range, options, *scratch, piece, out);
      }
    }
    pool_.give(std::move(scratch));
    shorten(options, first, out);
    if (options.add_template) frame(parts_.frame.after, static_cast<int64_t>(text.size()), out);
    if (options.file_lengths) pad(static_cast<int64_t>(text.size()), out);
    return out;
  }

  PairEncoding encode_pair(std::string_view first, std::string_view second,
                           const EncodeOptions& options) const override {
    EncodeOptions plain = options_of_one(options);
    Encoding a = encode(first, plain);
    plain.content = {};  // those are bytes of the first text
    return join_pair(std::move(a), encode(second, plain), parts_.frame, parts_.lengths, options);
  }

  void encode_ids(std::string_view text, const EncodeOptions& options,
                  IdBuffer& out) const override {
    const bool bounded = options.file_lengths && (parts_.lengths.longest || parts_.lengths.padding);
    const bool whole =
        !bounded && options.longest == 0 && options.content.empty() && !options.sampling;
    if (!units_ || !whole || (units_->utf8_only() && !is_utf8(text))) {
      return Tokenizer::encode_ids(text, options, out);
    }
    if (options.add_template) out.append(parts_.frame.before);
    // Most texts need no more, so that long ones are not moved while they grow.
    out.room(text.size() / 3 + 16);
    auto scratch = pool_.take();
    scratch->raw.clear();
    const bool special = options.special_in_text;
    raw_.split(text, {0, text.size()}, [special](ByteRange) { return special; }, scratch->raw);
    for (const AddedMatch& part : scratch->raw) {
      if (part.id >= 0) {
        out.push(part.id);
      } else {
        units_->encode(text.substr(part.range.begin, part.range.size()), special, scratch->units,
                       out);
      }
    }
    pool_.give(std::move(scratch));
    if (options.add_template) out.append(parts_.frame.after);
  }

  bool seam(std::string_view text, size_t at) const override { return seams_->at(text, at); }
  bool has_seams() const override { return seams_->any(); }

  std::vector<TokenId> encode_piece(std::string_view piece) const override {
    std::vector<ModelToken> tokens;
    parts_.model->encode(piece, false, tokens);
    std::vector<TokenId> ids;
    ids.reserve(tokens.size());
    for (const ModelToken& t : tokens) ids.push_back(t.id);
    return ids;
  }

  std::string decode(std::span<const TokenId> ids, bool skip_control) const override {
    const bool alone = !parts_.decoder || parts_.decoder->piecewise();
    if (alone && decoded_.fetch_add(ids.size(), std::memory_order_relaxed) + ids.size() >= kManyIds)
      return decode_table().decode(ids, skip_control);
    const VocabularyTable& vocabulary = *parts_.vocabulary;
    std::vector<std::string> pieces;
    pieces.reserve(ids.size());
    for (const TokenId id : ids) {
      if (id < 0 || id >= vocabulary.size()) refuse_token(id, vocabulary.size());
      const bool control = is_control(id);
      if (skip_control && control) continue;
      pieces.emplace_back(parts_.decoder || control ? vocabulary.piece(id) : vocabulary.bytes(id));
    }
    if (parts_.decoder) parts_.decoder->apply(pieces);
    std::string text;
    for (const std::string& p : pieces) text += p;
    return text;
  }

  bool decodes_locally() const override { return !parts_.decoder || parts_.decoder->local(); }

 private:
  // After so many ids a table of the whole vocabulary is worth its time.
  static constexpr size_t kManyIds = 1024;
  const DecodeTable& decode_table() const {
    std::call_once(decode_once_, [this] {
      decode_table_.emplace(*parts_.vocabulary, parts_.decoder.get(),
                            [this](TokenId id) { return is_control(id); });
    });
    return *decode_table_;
  }
  bool is_control(TokenId id) const {
    return parts_.vocabulary->role(id) == TokenRole::control || is_special(id);
  }

  bool is_special(TokenId id) const {
    return static_cast<size_t>(id) < special_.size() && special_[static_cast<size_t>(id)];
  }

  static ByteSpan span_in(ByteRange r) {
    return {static_cast<int64_t>(r.begin), static_cast<int64_t>(r.end)};
  }

  // Whether any byte of the span is a person's, in a text that a template wrote.
  static bool in_content(ByteSpan span, const EncodeOptions& options) {
    auto after = [](int64_t begin, const ByteSpan& c) { return begin < c.end; };
    auto it = std::upper_bound(options.content.begin(), options.content.end(), span.begin, after);
    return it != options.content.end() && it->begin < span.end;
  }
  static bool may_be_special(ByteSpan span, const EncodeOptions& options) {
    return options.special_in_text && !in_content(span, options);
  }

  static void add(TokenId id, ByteSpan span, int32_t piece, const EncodeOptions& options,
                  Encoding& out) {
    append(id, span, piece, in_content(span, options) ? TokenOrigin::content : options.origin, out);
  }
  static void append(TokenId id, ByteSpan span, int32_t piece, TokenOrigin origin, Encoding& out) {
    out.ids.push_back(id);
    out.spans.push_back(span);
    out.pre_tokens.push_back(piece);
    out.origins.push_back(origin);
  }

  static void frame(const std::vector<TokenId>& ids, int64_t at, Encoding& out) {
    for (TokenId id : ids) append(id, {at, at}, -1, TokenOrigin::template_text, out);
  }

  // Cuts the text's own tokens, which begin at `first`; those of the template are counted, not cut.
  void shorten(const EncodeOptions& options, size_t first, Encoding& out) const {
    const LengthRules& rules = parts_.lengths;
    int64_t longest = options.longest > 0 ? options.longest : std::numeric_limits<int64_t>::max();
    if (options.file_lengths && rules.longest) longest = std::min(longest, *rules.longest);
    const size_t around =
        options.add_template ? parts_.frame.before.size() + parts_.frame.after.size() : 0;
    const auto room =
        static_cast<size_t>(std::max<int64_t>(0, longest - static_cast<int64_t>(around)));
    if (out.ids.size() - first <= room) return;
    if (options.file_lengths && rules.strategy == Truncation::only_second) {
      throw Error("truncation", "the file lets only a second text be cut, and there is none",
                  "Encode the text whole, or a pair of texts.");
    }
    const bool front = options.file_lengths && rules.cut_front;
    auto keep = [&](auto& values) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
      const auto count = static_cast<std::ptrdiff_t>(room);
      front ? values.erase(begin, values.end() - count) : values.erase(begin + count, values.end());
    };
    keep(out.ids);
    keep(out.spans);
    keep(out.pre_tokens);
    keep(out.origins);
  }

  void pad(int64_t end, Encoding& out) const {
    if (!parts_.lengths.padding) return;
    const auto& rule = *parts_.lengths.padding;
    const auto held = static_cast<int64_t>(out.ids.size());
    int64_t wanted = std::max(held, rule.least);
    wanted = (wanted + rule.multiple - 1) / rule.multiple * rule.multiple;
    const auto missing = static_cast<size_t>(wanted - held);
    const int64_t at = rule.front ? 0 : end;
    auto put = [&](auto& values, const auto& value) {
      values.insert(rule.front ? values.begin() : values.end(), missing, value);
    };
    put(out.ids, rule.id);
    put(out.spans, ByteSpan{at, at});
    put(out.pre_tokens, int32_t{-1});
    put(out.origins, TokenOrigin::template_text);
  }

  // A stretch of text between added tokens of the raw text.
  void encode_text(std::string_view text, ByteRange range, const EncodeOptions& options,
                   Scratch& scratch, int32_t& piece, Encoding& out) const {
    PreTokens tokens{
        AlignedText(text.substr(range.begin, range.size()), static_cast<int64_t>(range.begin)),
        {},
        Reading::utf8};
    if (parts_.normaliser) tokens.text = parts_.normaliser->apply(std::move(tokens.text));
    const size_t size = tokens.text.text().size();
    if (size == 0) return;
    if (normalised_.empty()) {
      tokens.pieces.push_back({0, size});
      return encode_pieces(tokens, options, scratch, piece, out);
    }
    scratch.inner.clear();
    const auto special = [&](ByteRange r) {
      return may_be_special(span_of(tokens.text, r), options);
    };
    normalised_.split(tokens.text.text(), {0, size}, special, scratch.inner);
    for (const AddedMatch& part : scratch.inner) {
      if (part.id >= 0) {
        add(part.id, span_of(tokens.text, part.range), piece++, options, out);
        continue;
      }
      if (part.range == ByteRange{0, size}) {
        tokens.pieces.push_back(part.range);
        return encode_pieces(tokens, options, scratch, piece, out);
      }
      PreTokens inner{
          AlignedText(tokens.text, part.range), {{0, part.range.size()}}, Reading::utf8};
      encode_pieces(inner, options, scratch, piece, out);
    }
  }

  static ByteSpan span_of(const AlignedText& text, ByteRange range) {
    if (range.size() == 0) return {text.begin_of(range.begin), text.begin_of(range.begin)};
    return {text.begin_of(range.begin), text.end_of(range.end - 1)};
  }

  void encode_pieces(PreTokens& tokens, const EncodeOptions& options, Scratch& scratch,
                     int32_t& piece, Encoding& out) const {
    if (parts_.pre_tokenizer) parts_.pre_tokenizer->split(tokens);
    std::string_view text = tokens.text.text();
    std::vector<ModelToken>& found = scratch.tokens;
    for (ByteRange range : tokens.pieces) {
      found.clear();
      std::string_view bytes = text.substr(range.begin, range.size());
      const bool special = may_be_special(span_of(tokens.text, range), options);
      WordCache& cache = scratch.caches[special ? 1 : 0];
      if (scratch.source != nullptr) {
        (*scratch.source)(bytes, special, found);
      } else if (!cache.find(bytes, found)) {
        parts_.model->encode(bytes, special, found);
        cache.insert(bytes, found);
      }
      for (const ModelToken& t : found) {
        add(t.id, span_of(tokens.text, {range.begin + t.begin, range.begin + t.end}), piece,
            options, out);
      }
      ++piece;
    }
  }

  PipelineParts parts_;
  AddedTokenMatcher raw_, normalised_;
  std::unique_ptr<const UnitEncoder> units_;  // null: encode_ids() takes the plain path
  std::unique_ptr<const Seams> seams_;
  std::vector<bool> special_;
  mutable ScratchPool pool_;
  mutable std::atomic<uint64_t> decoded_ = 0;
  mutable std::once_flag decode_once_;
  mutable std::optional<DecodeTable> decode_table_;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_tokenizer(PipelineParts parts) {
  return std::make_shared<Pipeline>(std::move(parts));
}

}  // namespace tessera
