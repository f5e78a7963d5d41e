#include "tessera/tokenizer/train/extend_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/base/progress.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/proto_message.h"
#include "tessera/tokenizer/sentence_piece_file.h"
#include "tessera/tokenizer/sentence_piece_normaliser.h"
#include "tessera/tokenizer/train/added_scores.h"
#include "tessera/tokenizer/train/pair_merger.h"
#include "tessera/tokenizer/train/sentence_piece_training.h"
#include "tessera/tokenizer/train/word_counts.h"

namespace tessera {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

struct NewPiece {
  std::string text;
  float score;
};

// A `.model` that is both understood and kept as it stands.
class ModelFile {
 public:
  explicit ModelFile(const std::string& path) : path_(path), file_(path) {
    tokenizer_ = parse_sentence_piece(file_.text(), path_);
    SentencePieceRules rules, of_pieces;
    ProtoMessage m(file_.text(), 0, path_);
    while (m.next()) {
      if (m.field() == 1) pieces_.push_back(read_scored_piece(m.message()));
      if (m.field() == 2) read_trainer_spec(m.message());
      if (m.field() == 3) {
        for (ProtoMessage n = m.message(); n.next();) {
          if (n.field() == 2 && !n.text().empty()) {
            rules.map.emplace(n.text(), path_);
            of_pieces.map.emplace(n.text(), path_);
          }
          if (n.field() == 3) rules.dummy_prefix = n.number() != 0;
          if (n.field() == 4) rules.remove_extra = n.number() != 0;
        }
      }
    }
    rules.space_as_suffix = law_.space_as_suffix;
    of_pieces.dummy_prefix = of_pieces.remove_extra = false;
    normaliser_ = sentence_piece_normaliser(std::move(rules));
    piece_normaliser_ = sentence_piece_normaliser(std::move(of_pieces));
    if (kind_ != SentencePieceKind::bpe && kind_ != SentencePieceKind::unigram) {
      refuse("holds whole words or characters, which no piece can be added to",
             "Extend a vocabulary of byte pairs or Unigram.");
    }
  }

  const std::string& path() const { return path_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  SentencePieceKind kind() const { return kind_; }
  int64_t size() const { return static_cast<int64_t>(pieces_.size()); }
  const std::vector<ScoredPiece>& pieces() const { return pieces_; }
  // What the trainer of the file was asked for.
  const SentencePieceTrainingOptions& law() const { return law_; }
  // Whether a piece can stand in a normalised text.
  bool keeps(std::string_view piece) const {
    return piece_normaliser_->apply(AlignedText(piece)).text() == piece;
  }
  const Normaliser& normaliser() const { return *normaliser_; }
  float least_score() const {
    float least = 0;
    for (const ScoredPiece& p : pieces_) {
      if (p.type == PieceType::normal) least = std::min(least, p.score);
    }
    return least;
  }
  // The file with more pieces, read back.
  ExtendedTokenizer with(const std::vector<NewPiece>& added) const {
    ExtendedTokenizer out;
    out.file = bytes_with(added);
    out.before = size();
    out.after = size() + static_cast<int64_t>(added.size());
    const auto now = parse_sentence_piece(out.file, "the extended vocabulary");
    for (TokenId id = 0; id < out.before; ++id) {
      if (now->vocabulary().piece(id) != tokenizer_->vocabulary().piece(id)) {
        refuse(fmt::format("id {} would stand for another piece", id));
      }
    }
    for (auto id = static_cast<TokenId>(out.before); id < out.after; ++id) {
      const std::string_view piece = now->vocabulary().piece(id);
      if (now->encode_piece(piece) != std::vector<TokenId>{id}) {
        out.unreachable.emplace_back(piece);
      }
    }
    return out;
  }
  [[noreturn]] void refuse(const std::string& what, const std::string& remedy = "") const {
    throw Error(path_, what, remedy);
  }

 private:
  void read_trainer_spec(ProtoMessage m) {
    while (m.next()) {
      const auto flag = [&] { return m.number() != 0; };
      switch (m.field()) {
        case 3:
          kind_ = static_cast<SentencePieceKind>(m.number());
          break;
        case 20:
          law_.max_piece_length = std::clamp<int64_t>(static_cast<int32_t>(m.number()), 1, 512);
          break;
        case 21:
          law_.split_by_script = flag();
          break;
        case 22:
          law_.split_by_space = flag();
          break;
        case 23:
          law_.split_by_number = flag();
          break;
        case 24:
          law_.space_as_suffix = flag();
          break;
        case 25:
          law_.split_digits = flag();
          break;
        case 26:
          law_.space_only = flag();
          break;
        default:
          break;
      }
    }
  }

  // Everything as it is, the new pieces behind the old ones, and their number where it is told.
  std::string bytes_with(const std::vector<NewPiece>& added) const {
    if (added.empty()) return std::string(file_.text());
    ProtoFields out;
    size_t seen = 0;
    for (ProtoMessage m(file_.text(), 0, path_); m.next();) {
      if (m.field() == 2) {
        ProtoFields trainer;
        for (ProtoMessage t = m.message(); t.next();) {
          if (t.field() == 4) {
            trainer.number(4, size() + static_cast<int64_t>(added.size()));
          } else {
            trainer.whole(t.whole());
          }
        }
        out.text(2, trainer.bytes());
        continue;
      }
      out.whole(m.whole());
      if (m.field() != 1 || ++seen != pieces_.size()) continue;
      for (const NewPiece& piece : added) {
        ProtoFields fields;
        fields.text(1, piece.text);
        fields.real(2, piece.score);
        out.text(1, fields.bytes());
      }
    }
    return out.bytes();
  }

  std::string path_;
  MappedFile file_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<ScoredPiece> pieces_;
  SentencePieceKind kind_ = SentencePieceKind::unigram;
  SentencePieceTrainingOptions law_;
  std::unique_ptr<Normaliser> normaliser_, piece_normaliser_;
};

void expect_room(const ModelFile& base, int64_t size) {
  if (size > base.size()) return;
  throw Error(fmt::format("--vocab-size {}", size),
              fmt::format("leaves no room: the vocabulary has {} pieces", base.size()),
              "Ask for more.");
}

void put_behind(const ModelFile& base, double share, std::vector<NewPiece>& added) {
  if (added.empty()) return;
  if (base.kind() == SentencePieceKind::bpe) {
    // Some files have pieces at -1e9, where floats lie 64 apart: equal scores would not say which
    // merge comes first.
    float last = base.least_score();
    for (NewPiece& p : added) {
      const float next = std::nextafter(last, -std::numeric_limits<float>::infinity());
      last = std::min(last - 1, next);
      p.score = last;
    }
    return;
  }
  std::vector<float> old_scores, new_scores;
  for (const ScoredPiece& p : base.pieces()) {
    if (p.type == PieceType::normal) old_scores.push_back(p.score);
  }
  for (const NewPiece& p : added) new_scores.push_back(p.score);
  if (old_scores.empty()) base.refuse("holds no piece that has a probability");
  const double by = raise_to_share(old_scores, new_scores, share);
  for (NewPiece& p : added) p.score = static_cast<float>(p.score + by);
}

// Words of normalised texts, with ' ' for U+2581.
WordCounts count_normal_words(const ModelFile& base, TrainingTexts& texts,
                              const TrainingRequest& request) {
  const bool apart = base.law().split_by_space, suffix = base.law().space_as_suffix;
  const auto count = [&](const TextBlock& block, WordTable& table) {
    std::string spaced, normal;
    block.each_text([&](std::string_view text) {
      if (block.by_lines() && text.ends_with('\n')) text.remove_suffix(1);
      spaced.clear();
      base.normaliser().write_spaced(text, spaced);
      normal.clear();
      for (size_t i = 0; i < spaced.size();) {
        const bool mark = std::string_view(spaced).substr(i).starts_with(kSpaceMark);
        normal += mark ? ' ' : spaced[i];
        i += mark ? kSpaceMark.size() : 1;
      }
      const size_t size = normal.size();
      normal.append(TextBlock::kPadding, '\0');
      for (size_t begin = 0, end = 0; begin < size; begin = end) {
        const size_t space = normal.find(' ', suffix ? begin : begin + 1);
        end = !apart || space == std::string::npos ? size : std::min(space + suffix, size);
        table.add(std::string_view(normal).substr(begin, end - begin));
      }
    });
  };
  return count_words(texts, count, {}, request);
}

std::string marked(std::string_view word) {
  std::string out;
  for (const char c : word) c == ' ' ? out += kSpaceMark : out += c;
  return out;
}

// Characters of the words that the base has no piece for, the most frequent first, without the
// rarest: as the trainer of SentencePiece chooses its alphabet.
std::vector<NewPiece> missing_characters(const ModelFile& base, const WordCounts& counts) {
  constexpr double kCoverage = 0.9995;
  std::unordered_map<char32_t, int64_t> found;
  int64_t all = 0;
  for (const CountedWord& word : counts.words) {
    for (size_t i = 0; i < word.word.size();) {
      const Unit u = unit_at(word.word, i);
      i += u.length;
      if (u.code == 0 || u.code >= kInvalidByte) continue;
      found[u.code] += word.count;
      all += word.count;
    }
  }
  std::vector<std::pair<int64_t, char32_t>> sorted;
  sorted.reserve(found.size());
  for (const auto& [code, count] : found) sorted.emplace_back(-count, code);
  std::sort(sorted.begin(), sorted.end());
  std::vector<NewPiece> out;
  double covered = 0;
  for (const auto& [count, code] : sorted) {
    if (covered >= kCoverage * static_cast<double>(all)) break;
    covered -= static_cast<double>(count);
    std::string text;
    append_unit(text, code);
    if (code != ' ' && !base.tokenizer().vocabulary().find(text) && base.keeps(text)) {
      out.push_back({std::move(text), 0});
    }
  }
  return out;
}

// The base with the characters `pieces` and what is joined of the words' tokens, `names` by id. The
// encoder joins any two neighbours whose text is a piece, and the learner one pair of pieces at a
// time. Where that leads to a piece that no text gives it is barred and learning is done again.
ExtendedTokenizer go_on(const ModelFile& file, const Tokenizer& base, const WordCounts& counts,
                        const std::vector<std::string>& names,
                        const std::vector<NewPiece>& characters, const TrainingRequest& request) {
  constexpr int kRounds = 16;
  const Vocabulary& vocabulary = base.vocabulary();
  const PieceLaw law(file.law());
  std::unordered_set<std::string> barred;
  ExtendedTokenizer out;
  for (int round = 0; round < kRounds; ++round) {
    PairMerger merger(names,
                      {.vocab_size = request.vocab_size, .allowed = [&](std::string_view text) {
                         return law(text) && !barred.contains(std::string(text));
                       }});
    std::vector<uint32_t> symbols;
    for (const CountedWord& word : counts.words) {
      symbols.clear();
      for (const TokenId id : base.encode_piece(marked(word.word))) {
        if (vocabulary.role(id) == TokenRole::normal) {
          symbols.push_back(static_cast<uint32_t>(id));
          continue;
        }
        merger.add_word(symbols, word.count);  // no pair has what is unknown or a byte's name
        symbols.clear();
      }
      merger.add_word(symbols, word.count);
    }
    ProgressOptions shown;
    shown.label = "merging pairs";
    shown.unit = "pieces";
    shown.total = request.vocab_size - vocabulary.size();
    shown.sink = request.progress;
    Progress progress(shown);
    merger.run([&] { progress.advance(); });
    progress.finish();
    std::vector<NewPiece> pieces = characters;
    const auto& all = merger.tokens();
    for (auto id = static_cast<size_t>(vocabulary.size()); id < all.size(); ++id) {
      pieces.push_back({all[id], 0});
    }
    put_behind(file, 0, pieces);
    out = file.with(pieces);
    if (out.unreachable.empty()) break;
    barred.insert(out.unreachable.begin(), out.unreachable.end());
  }
  return out;
}

}  // namespace

ExtendedTokenizer extend_model_by_model(const std::string& base, const std::string& added,
                                        int64_t vocab_size, AddedScores scores, double share) {
  const ModelFile file(base), other(added);
  expect_room(file, vocab_size);
  if (file.kind() != other.kind()) {
    other.refuse("only one of both vocabularies is of byte pairs, the other one is Unigram",
                 "Take two of a kind.");
  }
  std::unordered_set<std::string_view> there;
  for (const ScoredPiece& p : file.pieces()) there.insert(p.text);
  std::vector<NewPiece> pieces;
  int64_t changed = 0;
  for (const ScoredPiece& p : other.pieces()) {
    if (file.size() + static_cast<int64_t>(pieces.size()) >= vocab_size) break;
    if (p.type != PieceType::normal || there.contains(p.text)) continue;
    if (file.keeps(p.text)) {
      pieces.push_back({std::string(p.text), p.score});
    } else {
      ++changed;
    }
  }
  if (scores == AddedScores::behind) put_behind(file, share, pieces);
  ExtendedTokenizer out = file.with(pieces);
  if (changed > 0) {
    out.notes.push_back(
        fmt::format("{} pieces of {} were left out, which {}'s normaliser would change.", changed,
                    added, base));
  }
  if (out.after < vocab_size) {
    out.notes.push_back(fmt::format("{} has no more to add: {} pieces instead of {}.", added,
                                    out.after, vocab_size));
  }
  return out;
}

ExtendedTokenizer extend_model_by_texts(const std::string& base, TrainingTexts& texts,
                                        const TrainingRequest& request) {
  const ModelFile file(base);
  expect_room(file, request.vocab_size);
  if (file.kind() != SentencePieceKind::bpe) {
    file.refuse("is Unigram, which has no merges to go on with",
                "Train another .model on the texts and add its pieces: --mode append.");
  }
  const WordCounts counts = count_normal_words(file, texts, request);
  expect_text(!counts.words.empty());
  std::vector<NewPiece> pieces = missing_characters(file, counts);
  const auto room = static_cast<size_t>(request.vocab_size - file.size());
  if (pieces.size() > room) {
    throw Error(
        fmt::format("--vocab-size {}", request.vocab_size),
        fmt::format("cannot hold the texts' characters, of which {} are new", pieces.size()),
        fmt::format("{} is the least that works.",
                    file.size() + static_cast<int64_t>(pieces.size())));
  }
  put_behind(file, 0, pieces);
  const auto base_and_characters =
      parse_sentence_piece(file.with(pieces).file, "the base with new characters");
  const Vocabulary& vocabulary = base_and_characters->vocabulary();
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(vocabulary.size()));
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    // What no merge may give has a name that none can give.
    names.push_back(vocabulary.role(id) == TokenRole::normal ? std::string(vocabulary.piece(id))
                                                             : fmt::format("\xFF{}", id));
  }
  ExtendedTokenizer out = go_on(file, *base_and_characters, counts, names, pieces, request);
  out.notes = notes_of(counts, texts);
  if (out.after < request.vocab_size) {
    out.notes.push_back(fmt::format("the texts ran out of pairs: {} pieces instead of {}.",
                                    out.after, request.vocab_size));
  }
  return out;
}

}  // namespace tessera
