#include "tessera/tokenizer/train/sentence_piece_training.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <unordered_map>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/text/unicode_tables.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/charsmap_writer.h"
#include "tessera/tokenizer/decoders.h"
#include "tessera/tokenizer/piece_trie.h"
#include "tessera/tokenizer/sentence_piece_normaliser.h"
#include "tessera/tokenizer/train/seed_pieces.h"
#include "tessera/tokenizer/train/sentence_piece_json.h"

namespace tessera {
namespace {

constexpr char32_t kSpace = 0x2581, kBoundary = 0x1F;
constexpr std::string_view kUnknownText = "\xE2\x96\x85";
// Stands between a counted word and the character behind it; no text has it.
constexpr char kFollowedMark = '\xFF';

// Scripts by code point: those of the table, kana being Han; what it does not list is common.
class Scripts {
 public:
  Scripts() : numbers_(kInvalidByte) {
    for (const auto& range : unicode::scripts_table()) {
      std::fill(numbers_.begin() + range.first, numbers_.begin() + range.last + 1, range.number);
    }
    const uint8_t common = numbers_['0'];
    std::replace(numbers_.begin(), numbers_.end(), uint8_t{0}, common);
    inherited_ = numbers_[0x300];
  }
  uint8_t of(char32_t code) const { return numbers_[code]; }
  uint8_t inherited() const { return inherited_; }

 private:
  std::vector<uint8_t> numbers_;
  uint8_t inherited_ = 0;
};

const Scripts& scripts() {
  static const Scripts all;
  return all;
}

bool is_digit(char32_t c) { return (c >= '0' && c <= '9') || (c >= 0xFF10 && c <= 0xFF19); }

// Calls visit(begin, end) for the words of a text whose spaces are ' '.
template <class Visit>
void split_words(std::string_view text, const SentencePieceTrainingOptions& options,
                 const Visit& visit) {
  if (!options.split_by_space) return visit(size_t{0}, text.size());
  const auto space = [&](size_t at) { return text[at] == ' '; };
  size_t begin = 0;
  for (size_t at = 1; at < text.size(); ++at) {
    // A word begins here: at a space, or, where spaces end words, behind one.
    const size_t mark = options.space_as_suffix ? at - 1 : at;
    if (!space(mark)) continue;
    const bool inside = options.space_only && space(at - 1) && space(at);
    if (inside) continue;
    visit(begin, at);
    begin = at;
  }
  visit(begin, text.size());
}

std::vector<std::string> named_in(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const size_t end = std::min(list.find(' '), list.size());
    if (end > 0) out.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return out;
}

}  // namespace

PieceLaw::PieceLaw(const SentencePieceTrainingOptions& options) : options_(options) {}

bool PieceLaw::operator()(std::string_view text) const {
  codes_.clear();
  for (size_t i = 0; i < text.size();) {
    const Unit u = unit_at(text, i);
    codes_.push_back(u.code);
    i += u.length;
  }
  return (*this)(codes_);
}

bool PieceLaw::spaces_fit(std::span<const char32_t> codes) const {
  if (codes.size() < 2) return true;
  const auto space = [](char32_t c) { return c == kSpace; };
  if (options_.space_only && std::all_of(codes.begin(), codes.end(), space)) return true;
  const bool suffix = options_.space_as_suffix;
  if (options_.split_by_space) {
    const auto rest = suffix ? codes.first(codes.size() - 1) : codes.subspan(1);
    return std::none_of(rest.begin(), rest.end(), space);
  }
  return !space(suffix ? codes.front() : codes.back());
}

bool PieceLaw::operator()(std::span<const char32_t> codes) const {
  if (codes.empty() || codes.size() > static_cast<size_t>(options_.max_piece_length)) return false;
  if (!spaces_fit(codes)) return false;
  const Scripts& table = scripts();
  constexpr int kAny = -1;
  int before = kAny;
  for (char32_t c : codes) {
    if (c == 0 || c == kBoundary || c == SentencePieceTexts::kUnknown || c >= kInvalidByte) {
      return false;
    }
    if (c == kSpace) continue;
    int script = table.of(c);
    if (script == table.inherited()) script = before;
    if (is_digit(c)) {
      if (options_.split_digits && codes.size() > 1) return false;
      if (!options_.split_by_number) script = kAny;
    }
    if (options_.split_by_script && script != kAny && before != kAny && script != before) {
      return false;
    }
    before = script;
  }
  return true;
}

// Makes lines canonical and cuts them; one for each thread.
struct SentencePieceTexts::Line {
  const SentencePieceTrainingOptions& options;
  bool neighbours;
  const Normaliser& normaliser;
  const PieceTrie& special;
  std::array<bool, 256> begins_special{};
  std::string normal = {}, word = {};

  void count(std::string_view text, WordTable& table) {
    normal.clear();
    normaliser.write_spaced(text, normal);
    part_at_special();
    if (normal.empty()) return;
    const size_t size = normal.size();
    const bool marks_end = neighbours && options.split_by_space;
    if (marks_end) normal += kFollowedMark;
    normal.append(TextBlock::kPadding, '\0');
    const std::string_view whole(normal.data(), size);
    split_words(whole, options, [&](size_t begin, size_t end) {
      const char* at = normal.data() + begin;
      if (end == size) {
        table.add({at, end - begin + (marks_end ? 1 : 0)});
      } else if (!marks_end || !options.space_as_suffix) {
        table.add({at, end - begin});
      } else {
        word.assign(at, end - begin);
        word += kFollowedMark;
        word += whole.substr(end, unit_at(whole, end).length);
        const size_t length = word.size();
        word.append(TextBlock::kPadding, '\0');
        table.add({word.data(), length});
      }
    });
  }

 private:
  // Where a special piece stands in a text no piece is learned, and none reaches over it.
  void part_at_special() {
    word.clear();
    size_t done = 0;
    for (size_t at = 0; at < normal.size();) {
      size_t length = 0;
      if (begins_special[static_cast<unsigned char>(normal[at])]) {
        special.prefixes(std::string_view(normal).substr(at),
                         [&](size_t n, int32_t) { length = n; });
      }
      if (length == 0) {
        ++at;
        continue;
      }
      word.append(normal, done, at - done);
      word += static_cast<char>(kBoundary);
      at += length;
      done = at;
    }
    if (done == 0) return;
    word.append(normal, done, std::string::npos);
    normal.swap(word);
  }
};

SentencePieceTexts::SentencePieceTexts(TrainingTexts& texts,
                                       const SentencePieceTrainingOptions& options,
                                       const TrainingRequest& request, bool neighbours)
    : options_(options), vocab_size_(request.vocab_size), neighbours_(neighbours) {
  if (!request.pre_tokenizer.empty() || !request.pattern.empty() || !request.normaliser.empty()) {
    throw Error("--pre-tokenizer, --pattern and --normalizer", "are not this model's",
                "Its options say how texts are cut: tessera list trainer.");
  }
  name_special(request);
  SentencePieceRules rules;
  if (const std::string& map = sentence_piece_map(options.normalisation); !map.empty()) {
    rules.map.emplace(map, "the normaliser");
  }
  rules.dummy_prefix = options.dummy_prefix;
  rules.remove_extra = options.remove_extra;
  rules.space_as_suffix = options.space_as_suffix;
  rules.kept = named_in(options.user_defined);
  const auto normaliser = sentence_piece_normaliser(std::move(rules));
  std::vector<std::string> names;
  std::array<bool, 256> begins{};
  for (const auto& [id, piece] : special_) {
    names.push_back(marks_to_spaces(piece.text));
    begins[static_cast<unsigned char>(names.back()[0])] = true;
  }
  std::vector<PieceTrie::Entry> entries;
  for (const std::string& name : names) entries.push_back({name, 0});
  const PieceTrie special(std::move(entries));

  std::atomic<int64_t> too_long{0}, reserved{0};
  const double most = options.sample * static_cast<double>(std::numeric_limits<uint64_t>::max());
  const auto wanted = [&](std::string_view text) {
    if (text.empty()) return false;
    if (options.sample < 1 && static_cast<double>(hash_of(text)) >= most) return false;
    if (options.max_sentence_length > 0 &&
        text.size() > static_cast<size_t>(options.max_sentence_length)) {
      ++too_long;
      return false;
    }
    const bool taken = text.find(kUnknownText) != std::string_view::npos;
    if (taken) ++reserved;
    return !taken;
  };
  counts_ = count_words(
      texts,
      [&](const TextBlock& block, WordTable& table) {
        Line line{options, neighbours, *normaliser, special, begins};
        block.each_text([&](std::string_view text) {
          if (block.by_lines() && text.ends_with('\n')) text.remove_suffix(1);
          if (wanted(text)) line.count(text, table);
        });
      },
      {}, request);
  notes_ = notes_of(counts_, texts);
  if (too_long > 0) {
    notes_.push_back(fmt::format("{} lines of more than {} bytes were left out.", too_long.load(),
                                 options.max_sentence_length));
  }
  if (reserved > 0) {
    notes_.push_back(fmt::format(
        "{} lines that hold U+2585, which stands for unknown characters, were left out.",
        reserved.load()));
  }
  choose_alphabet();
}

void SentencePieceTexts::name_special(const TrainingRequest& request) {
  const auto refuse = [](const std::string& what, const std::string& why) {
    throw Error(what, why, "Give every special piece a name and an id of its own.");
  };
  const auto given = [&](int64_t id, const std::string& name, PieceType type, const char* key) {
    if (id < 0) return;
    if (name.empty()) refuse(std::string(key) + "-piece", "is empty");
    if (id >= vocab_size_) {
      throw Error(fmt::format("{}-id {}", key, id),
                  fmt::format("is outside of a vocabulary of {}", vocab_size_),
                  fmt::format("{} is the least that works.", id + 1));
    }
    if (!special_.try_emplace(id, SentencePieceModel::Piece{name, 0, type}).second) {
      refuse(fmt::format("{}-id {}", key, id), "is another piece's, too");
    }
  };
  given(options_.unknown_id, options_.unknown, PieceType::unknown, "unk");
  given(options_.bos_id, options_.bos, PieceType::control, "bos");
  given(options_.eos_id, options_.eos, PieceType::control, "eos");
  given(options_.pad_id, options_.pad, PieceType::control, "pad");
  std::map<std::string, int64_t> ids;
  for (const auto& [id, piece] : special_) {
    if (!ids.emplace(piece.text, id).second) refuse(piece.text, "names two special pieces");
  }
  int64_t next = 0;
  const auto add = [&](const std::string& name, PieceType type) {
    if (name.empty()) refuse("a special piece", "is empty");
    const auto known = ids.find(name);
    if (known != ids.end()) {
      SentencePieceModel::Piece& piece = special_.at(known->second);
      if (piece.type != PieceType::control) refuse(name, "names two special pieces");
      piece.type = type;
      return;
    }
    while (special_.contains(next)) ++next;
    ids.emplace(name, next);
    special_[next] = {name, 0, type};
  };
  for (const std::string& name : request.specials) add(name, PieceType::control);
  for (const std::string& name : named_in(options_.user_defined)) {
    add(name, PieceType::user_defined);
  }
  for (int b = 0; options_.byte_fallback && b < 256; ++b) {
    add(fmt::format("<0x{:02X}>", b), PieceType::byte);
  }
}

void SentencePieceTexts::choose_alphabet() {
  std::unordered_map<char32_t, int64_t> counts;
  int64_t all = 0;
  for (const CountedWord& counted : counts_.words) {
    std::string_view word = counted.word;
    following(word);
    for (size_t i = 0; i < word.size();) {
      const Unit u = unit_at(word, i);
      i += u.length;
      if (u.code == 0 || u.code >= kInvalidByte) continue;
      counts[u.code == ' ' ? kSpace : u.code] += counted.count;
      all += counted.count;
    }
  }
  if (all == 0) throw Error("the texts", "hold nothing to learn from", "Name files with text.");
  struct Character {
    bool required;
    int64_t count;
    char32_t code;
    bool operator<(const Character& o) const {
      if (required != o.required) return required;
      return count != o.count ? count > o.count : code < o.code;
    }
  };
  std::vector<Character> sorted;
  for (size_t i = 0; i < options_.required.size();) {
    const Unit u = unit_at(options_.required, i);
    i += u.length;
    if (u.code == 0 || u.code == kUnknown || u.code >= kInvalidByte) {
      throw Error("required-chars", "holds one that cannot be a piece");
    }
    const char32_t code = u.code == ' ' ? kSpace : u.code;
    const auto known = counts.find(code);
    sorted.push_back({true, known == counts.end() ? 0 : known->second, code});
    if (known != counts.end()) counts.erase(known);
  }
  for (const auto& [code, count] : counts) sorted.push_back({false, count, code});
  std::sort(sorted.begin(), sorted.end());
  // As in the package, which compares floats.
  const auto enough = static_cast<float>(options_.coverage);
  int64_t covered = 0, left_out = 0;
  known_.resize(kInvalidByte);
  for (const Character& c : sorted) {
    if (left_out > 0 ||
        static_cast<float>(static_cast<double>(covered) / static_cast<double>(all)) >= enough) {
      ++left_out;
      continue;
    }
    covered += c.count;
    if (c.code == kBoundary || known_[c.code]) continue;
    known_[c.code] = true;
    alphabet_.emplace_back(c.code, c.count);
  }
  std::sort(alphabet_.begin(), alphabet_.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  const auto least = static_cast<int64_t>(special_.size() + alphabet_.size());
  if (vocab_size_ < least) {
    throw Error(
        fmt::format("--vocab-size {}", vocab_size_),
        fmt::format("cannot hold {} special pieces and {} characters", special_.size(),
                    alphabet_.size()),
        fmt::format("{} is the least that works; less character-coverage makes it less.", least));
  }
}

// Takes what follows a word off its end.
char32_t SentencePieceTexts::following(std::string_view& word) const {
  if (!neighbours_ || !options_.split_by_space) return SpelledWords::kEnd;
  const size_t at = word.rfind(kFollowedMark);
  if (at == std::string_view::npos) return SpelledWords::kFollowed + kSpace;
  const std::string_view behind = word.substr(at + 1);
  word = word.substr(0, at);
  if (behind.empty()) return SpelledWords::kEnd;
  constexpr char32_t kRoom = SpelledWords::kMostFollowed - SpelledWords::kFollowed;
  return SpelledWords::kFollowed + unit_at(behind, 0).code % kRoom;
}

void SentencePieceTexts::each_word(const Visit& visit) const {
  std::vector<char32_t> codes;
  for (const CountedWord& counted : counts_.words) {
    std::string_view word = counted.word;
    const char32_t followed = following(word);
    codes.clear();
    for (size_t i = 0; i < word.size();) {
      const Unit u = unit_at(word, i);
      i += u.length;
      const char32_t code = u.code == ' ' ? kSpace : u.code;
      codes.push_back(code < kInvalidByte && known_[code] ? code : kUnknown);
    }
    visit(codes, counted.count, followed);
  }
}

TrainedTokenizer SentencePieceTexts::finish(const std::vector<Scored>& pieces,
                                            SentencePieceKind kind, const TrainingTexts& texts) {
  SentencePieceModel model;
  model.kind = kind;
  size_t next = 0;
  for (int64_t id = 0; id < vocab_size_; ++id) {
    if (const auto named = special_.find(id); named != special_.end()) {
      model.pieces.push_back(named->second);
    } else if (next < pieces.size()) {
      model.pieces.push_back({pieces[next].text, pieces[next].score, PieceType::normal});
      ++next;
    } else {
      break;
    }
  }
  const auto made = static_cast<int64_t>(model.pieces.size());
  if (options_.hard_limit && made < vocab_size_) {
    throw Error(fmt::format("--vocab-size {}", vocab_size_),
                fmt::format("is more than the {} pieces that the texts give", made),
                "Ask for fewer, give more text, or say hard-vocab-limit=off.");
  }
  if (const auto last = special_.rbegin(); last->first >= made) {
    throw Error(fmt::format("id {} of {}", last->first, last->second.text),
                fmt::format("lies behind the {} pieces that the texts give", made),
                "Choose a smaller id.");
  }
  model.unknown = options_.unknown_id;
  model.bos = options_.bos_id;
  model.eos = options_.eos_id;
  model.pad = options_.pad_id;
  model.normalisation = options_.normalisation;
  model.dummy_prefix = options_.dummy_prefix;
  model.remove_extra = options_.remove_extra;
  model.space_as_suffix = options_.space_as_suffix;
  TrainedTokenizer out;
  out.sentence_piece = sentence_piece_bytes(model);
  parse_sentence_piece(out.sentence_piece, "the trained vocabulary");
  if (!options_.space_as_suffix) out.json = sentence_piece_json(model, options_.split_by_space);
  out.tokens = made;
  out.bytes = texts.bytes_read();
  out.words = counts_.total;
  out.distinct = counts_.distinct;
  out.notes = std::move(notes_);
  if (made < vocab_size_) {
    out.notes.push_back(fmt::format("the texts gave {} tokens instead of {}. More text gives more.",
                                    made, vocab_size_));
  }
  return out;
}

}  // namespace tessera
