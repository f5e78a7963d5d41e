#include "tessera/tokenizer/unit_encoder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/kernels/kernels.h"

namespace tessera {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";
// Words of more bytes are cut at borders before they are merged.
constexpr size_t kLongWord = 15;
constexpr size_t kShortText = 1024;
// Bytes that are cut into units at a time.
constexpr size_t kChunk = 8192;

// A place behind `at` where a word begins whatever stands around, and where no form joins anything:
// a space between two visible characters of ASCII; the text's size when there is none.
size_t word_between(std::string_view text, size_t at) {
  const auto visible = [](char c) { return c > ' ' && c < '\x7F'; };
  while ((at = text.find(' ', at)) != std::string_view::npos) {
    if (visible(text[at - 1]) && at + 1 < text.size() && visible(text[at + 1])) return at;
    ++at;
  }
  return text.size();
}

}  // namespace

struct UnitEncoder::Call {
  State& state;
  UnitCache& cache;
  const char* readable;  // where the memory of the text ends
  bool allow_control;
  IdBuffer& out;
};

std::unique_ptr<const UnitEncoder> UnitEncoder::make(const Normaliser* normaliser,
                                                     const PreTokenizer* pre_tokenizer,
                                                     const Model& model, int64_t vocabulary_size) {
  if (vocabulary_size > UnitCache::kMostIds) return nullptr;
  std::unique_ptr<UnitEncoder> out(new UnitEncoder(normaliser, model));
  if (pre_tokenizer) {
    if (pre_tokenizer->parts_words() && (!normaliser || normaliser->keeps_words_apart())) {
      out->plain_words_ = pre_tokenizer;
      return out;
    }
    const auto words = pre_tokenizer->words();
    if (!words || !words->by_bytes) return nullptr;
    out->cuts_words_ = true;
    out->rule_ = words->rule;
    out->pattern_ = words->pattern;
    return out;
  }
  if (normaliser && normaliser->marks_spaces() && model.runner()) {
    out->runs_ = true;
    return out;
  }
  const auto marks = normaliser ? normaliser->space_marks() : std::nullopt;
  if (!marks || !model.cuts_at_borders()) return nullptr;
  out->marks_ = *marks;
  return out;
}

void UnitEncoder::encode(std::string_view text, bool allow_control, State& state,
                         IdBuffer& out) const {
  if (text.empty()) return;
  if (runs_) {
    if (!state.runner) state.runner = model_.runner();
    state.spelled.clear();
    normaliser_->write_spaced(text, state.spelled);
    state.runner->run(state.spelled, allow_control, out);
    return;
  }
  auto& cache = state.caches[allow_control ? 1 : 0];
  if (!cache) cache = std::make_unique<UnitCache>();
  if (text.size() > std::numeric_limits<uint32_t>::max()) {
    throw Error("", "a text has 4 GiB or more", "Cut it into files or lines.");
  }
  state.starts.clear();
  Call call{state, *cache, text.data() + text.size(), allow_control, out};
  if (text.size() <= kShortText) {
    // Look-ups read a little behind a unit: where that is a large part of all, it is made readable.
    const size_t size = text.size();
    std::copy(text.begin(), text.end(), state.short_text.begin());
    text = {state.short_text.data(), size};
    call.readable = text.data() + state.short_text.size();
  }
  if (plain_words_) return encode_plain_words(text, call);
  if (cuts_words_ && normaliser_ && !normaliser_->composes()) {
    const AlignedText changed = normaliser_->apply(AlignedText(text));
    call.readable = changed.text().data() + changed.text().size();
    return encode_words(changed.text(), false, call);
  }
  if (cuts_words_) return encode_words(text, normaliser_ != nullptr, call);
  std::vector<uint32_t>& starts = state.starts;
  const Borders& borders = *model_.borders();
  size_t at = 0;
  if (marks_.prefix) {
    // The first unit has a space in front that the text lacks.
    at = borders.next(" ", text);
    state.spelled.assign(kSpaceMark);
    encode_unit(text.substr(0, at), call);
  }
  while (at < text.size()) {
    at = borders.cut(text, at, kChunk, starts);
    encode_units(text, at, call);
  }
}

// Cuts in front of spaces, tabs and newlines, and around punctuation marks of ASCII; what else the
// pre-tokenizer cuts, it cuts within these units.
void UnitEncoder::encode_plain_words(std::string_view text, Call& call) const {
  constexpr size_t kBlocks = 64;
  std::array<AsciiMasks, kBlocks> masks;
  std::array<uint64_t, kBlocks> bits;
  std::vector<uint32_t>& starts = call.state.starts;
  uint64_t mark_before = 1;  // the text's first byte begins a unit
  for (size_t at = 0; at < text.size();) {
    const size_t size = std::min(text.size() - at, 64 * kBlocks), whole = size / 64;
    const size_t blocks = (size + 63) / 64;
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data()) + at;
    kernels().ascii_masks(bytes, whole, masks.data());
    if (whole < blocks) {
      std::array<unsigned char, 64> rest{};
      std::copy(bytes + 64 * whole, bytes + size, rest.begin());
      kernels().ascii_masks(rest.data(), 1, masks.data() + whole);
    }
    for (size_t b = 0; b < blocks; ++b) {
      const AsciiMasks& m = masks[b];
      const uint64_t marks = m.visible & ~(m.lower | m.upper | m.digit);
      bits[b] = m.space | m.newline | m.tab | marks | marks << 1 | mark_before;
      mark_before = marks >> 63;
    }
    if ((size & 63) != 0) bits[blocks - 1] &= (uint64_t{1} << (size & 63)) - 1;
    const size_t held = starts.size();
    starts.resize(held + size + 16);
    const size_t count =
        kernels().positions(bits.data(), blocks, static_cast<uint32_t>(at), starts.data() + held);
    starts.resize(held + count);
    at += size;
    if (at == text.size()) return encode_units(text, at, call);
    // The last unit may go on.
    const uint32_t last = starts.back();
    if (starts.size() == 1) continue;
    starts.pop_back();
    encode_units(text, last, call);
    starts.push_back(last);
  }
}

// `composing`: the text is to be brought into form C, of which words take no notice but where it
// may change something.
void UnitEncoder::encode_words(std::string_view text, bool composing, Call& call) const {
  auto& held = call.state.scanner;
  if (!held) held = std::make_unique<WordScanner>(rule_);
  WordScanner& scanner = *held;
  scanner.begin(text, composing);
  for (size_t at = 0; at < text.size();) {
    const size_t end = scanner.next(call.state.starts);
    if (end > at) {
      at = end;
      encode_units(text, at, call);
    } else if (scanner.stopped() == WordScanner::Stop::form) {
      const size_t behind = word_between(text, at + kChunk / 4);
      const AlignedText changed = normaliser_->apply(AlignedText(text.substr(at, behind - at)));
      const char* const readable =
          std::exchange(call.readable, changed.text().data() + changed.text().size());
      encode_words(changed.text(), false, call);
      call.readable = readable;
      at = behind;
      scanner.begin(text, composing);
      scanner.skip(at);
    } else {
      pattern_words(text, at, call);
      scanner.skip(at);
      encode_units(text, at, call);
    }
  }
}

// Cuts some text from `at` on by the pattern itself; the words that the text's end could change are
// left for later. What a space begins is settled before it.
void UnitEncoder::pattern_words(std::string_view text, size_t& at, Call& call) const {
  std::vector<ByteRange>& matches = call.state.matches;
  for (size_t size = 4096;; size *= 2) {
    const size_t end = std::min(text.size(), at + size);
    matches.clear();
    pattern_->find_all(text, {at, end}, Reading::utf8, matches);
    if (end < text.size()) {
      while (!matches.empty() && text[matches.back().begin] != ' ') matches.pop_back();
      if (matches.size() < 2) continue;
    }
    const size_t sure = end < text.size() ? matches.back().begin : end;
    for (const ByteRange& m : matches) {
      if (m.begin < sure) call.state.starts.push_back(static_cast<uint32_t>(m.begin));
    }
    at = sure;
    return;
  }
}

// Encodes the units that begin at state.starts, the last of which ends at `end`.
void UnitEncoder::encode_units(std::string_view text, size_t end, Call& call) const {
  std::vector<uint32_t>& starts = call.state.starts;
  starts.push_back(static_cast<uint32_t>(end));
  const size_t units = starts.size() - 1;
  std::array<UnitCache::Value, UnitCache::kBatch> values;
  for (size_t first = 0; first < units; first += UnitCache::kBatch) {
    const size_t n = std::min(units - first, UnitCache::kBatch);
    const uint32_t* begin = starts.data() + first;
    call.cache.find(text, call.readable, begin, n, values.data());
    const auto unit = [&](size_t i) { return text.substr(begin[i], begin[i + 1] - begin[i]); };
    for (size_t i = 0; i < n; ++i) {
      if (values[i] == UnitCache::kUnknown) values[i] = encode_miss(unit(i), call);
    }
    TokenId* to = call.out.room(3 * n);
    TokenId* written = to;
    for (size_t i = 0; i < n; ++i) {
      const UnitCache::Value value = values[i];
      const size_t count = UnitCache::count(value);
      if (count <= 3) [[likely]] {
        UnitCache::put(value, to);
        to += count;
        continue;
      }
      call.out.written(static_cast<size_t>(to - written));
      std::span<const TokenId> ids;
      if (call.cache.listed(value, ids)) {
        call.out.append(ids);
      } else {
        call.state.spelled.clear();
        encode_unit(unit(i), call);
      }
      written = to = call.out.room(3 * (n - i));
    }
    call.out.written(static_cast<size_t>(to - written));
  }
  starts.clear();
}

// Encodes a unit that is not known, and remembers it.
UnitCache::Value UnitEncoder::encode_miss(std::string_view unit, Call& call) const {
  // The unit may stand twice in a batch.
  const UnitCache::Value known = call.cache.find(unit, false);
  if (known != UnitCache::kUnknown) return known;
  if (unit.size() > UnitCache::kLongest) return UnitCache::kUnknown;
  IdBuffer& out = call.out;
  const size_t before = out.size();
  call.state.spelled.clear();
  encode_unit(unit, call);
  const UnitCache::Value value = call.cache.insert(unit, false, out.ids().subspan(before));
  out.shorten(before);
  return value;
}

// Appends the ids of one unit; state.spelled holds what stands in front of it.
void UnitEncoder::encode_unit(std::string_view unit, Call& call) const {
  std::vector<ModelToken>& tokens = call.state.tokens;
  tokens.clear();
  if (plain_words_) {
    PreTokens pieces{AlignedText(unit), {}, Reading::utf8};
    if (normaliser_) pieces.text = normaliser_->apply(std::move(pieces.text));
    const std::string_view now = pieces.text.text();
    if (now.empty()) return;
    pieces.pieces.push_back({0, now.size()});
    plain_words_->split(pieces);
    for (const ByteRange& piece : pieces.pieces) {
      model_.encode(pieces.text.text().substr(piece.begin, piece.size()), call.allow_control,
                    tokens);
    }
    for (const ModelToken& t : tokens) call.out.push(t.id);
    return;
  }
  if (!cuts_words_) {
    std::string& spelled = call.state.spelled;
    for (char c : unit) c == ' ' ? spelled.append(kSpaceMark) : spelled.append(1, c);
    model_.append_ids(spelled, call.allow_control, tokens, call.out);
    return;
  }
  if (model_.whole(unit, call.allow_control, tokens)) {
    for (const ModelToken& t : tokens) call.out.push(t.id);
    return;
  }
  const Borders* borders = unit.size() > kLongWord ? model_.borders() : nullptr;
  if (!borders) return model_.append_ids(unit, call.allow_control, tokens, call.out);
  std::vector<uint32_t>& parts = call.state.parts;
  parts.clear();
  borders->cut(unit, 0, unit.size(), parts);
  parts.push_back(static_cast<uint32_t>(unit.size()));
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const std::string_view part = unit.substr(parts[i], parts[i + 1] - parts[i]);
    UnitCache::Value value = call.cache.find(part, true);
    std::span<const TokenId> ids;
    if (value != UnitCache::kUnknown && UnitCache::count(value) <= 3) {
      UnitCache::put(value, call.out.room(3));
      call.out.written(UnitCache::count(value));
    } else if (call.cache.listed(value, ids)) {
      call.out.append(ids);
    } else {
      const size_t before = call.out.size();
      model_.append_ids(part, call.allow_control, tokens, call.out);
      call.cache.insert(part, true, call.out.ids().subspan(before));
    }
  }
}

}  // namespace tessera
