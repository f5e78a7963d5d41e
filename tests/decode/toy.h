// Small models and a small tokenizer for the tests of decoding.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/network/network.h"
#include "tessera/tokenizer/tokenizer.h"

namespace tessera::toy {

// A vocabulary of given byte strings; pieces in angle brackets are control tokens.
class Words : public Vocabulary, public Tokenizer {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {}
  int64_t size() const override { return static_cast<int64_t>(words_.size()); }
  std::string_view piece(TokenId id) const override { return words_[static_cast<size_t>(id)]; }
  TokenRole role(TokenId id) const override {
    std::string_view p = piece(id);
    return p.size() > 2 && p.front() == '<' && p.back() == '>' ? TokenRole::control
                                                               : TokenRole::normal;
  }
  std::string_view bytes(TokenId id) const override {
    return role(id) == TokenRole::control ? std::string_view() : piece(id);
  }
  bool starts_word(TokenId /*id*/) const override { return false; }
  std::optional<TokenId> find(std::string_view piece) const override {
    for (size_t i = 0; i < words_.size(); ++i) {
      if (words_[i] == piece) return static_cast<TokenId>(i);
    }
    return std::nullopt;
  }
  const Vocabulary& vocabulary() const override { return *this; }
  Encoding encode(std::string_view /*text*/, const EncodeOptions& /*options*/) const override {
    return {};
  }
  std::vector<TokenId> encode_piece(std::string_view /*piece*/) const override { return {}; }
  std::string decode(std::span<const TokenId> ids, bool /*skip_control*/) const override {
    std::string out;
    for (TokenId id : ids) out += bytes(id);
    return out;
  }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return std::nullopt; }
  bool adds_bos() const override { return false; }
  std::string summary() const override { return "toy"; }

 private:
  std::vector<std::string> words_;
};

// "a", "b", "c", ..., and "<end>" as the last one.
inline std::shared_ptr<const Tokenizer> letters(int count) {
  std::vector<std::string> words;
  for (int i = 0; i + 1 < count; ++i) words.emplace_back(1, static_cast<char>('a' + i));
  words.emplace_back("<end>");
  return std::make_shared<Words>(std::move(words));
}

// Remembers its ids; forks by copying.
class ListPast : public Past {
 public:
  std::vector<TokenId> ids;
  int64_t length() const override { return static_cast<int64_t>(ids.size()); }
  std::unique_ptr<Past> fork() const override { return std::make_unique<ListPast>(*this); }
  bool can_truncate() const override { return true; }
  void truncate(int64_t length) override { ids.resize(static_cast<size_t>(length)); }
  PastCounters counters() const override { return {}; }
};

// Logits are any function of the ids so far.
class FunctionModel : public CausalModel {
 public:
  using Rule = std::function<std::vector<float>(const std::vector<TokenId>& ids)>;
  FunctionModel(int64_t vocabulary, Rule rule, int64_t context = 1 << 20)
      : vocabulary_(vocabulary), context_(context), rule_(std::move(rule)) {}
  int64_t vocabulary_size() const override { return vocabulary_; }
  int64_t context() const override { return context_; }
  std::unique_ptr<Past> new_past() override { return std::make_unique<ListPast>(); }
  void forward(std::span<const Item> batch) override {
    ++passes;
    for (const Item& item : batch) {
      auto& ids = static_cast<ListPast*>(item.past)->ids;
      for (size_t i = 0; i < item.ids.size(); ++i) {
        ids.push_back(item.ids[i]);
        auto left = static_cast<int64_t>(item.ids.size() - 1 - i);
        if (left >= item.wanted) continue;
        std::vector<float> row = rule_(ids);
        std::copy(row.begin(), row.end(),
                  item.logits.begin() + (item.wanted - 1 - left) * vocabulary_);
      }
    }
  }
  int passes = 0;

 private:
  int64_t vocabulary_, context_;
  Rule rule_;
};

// The next token depends on the last one only: a table of made-up logits.
inline FunctionModel markov(int64_t vocabulary, int seed, double spread = 2) {
  return FunctionModel(vocabulary, [=](const std::vector<TokenId>& ids) {
    std::vector<float> row(static_cast<size_t>(vocabulary));
    for (size_t i = 0; i < row.size(); ++i) {
      double x = std::sin(12.9898 * static_cast<double>(ids.back() + 1) +
                          78.233 * static_cast<double>(i + 1) + 37.719 * seed) *
                 43758.5453;
      row[i] = static_cast<float>(spread * (x - std::floor(x)));
    }
    return row;
  });
}

// The next token depends on the last one and on how many there are, so that no two texts tie.
inline FunctionModel clocked(int64_t vocabulary, int seed, double spread = 2) {
  return FunctionModel(vocabulary, [=](const std::vector<TokenId>& ids) {
    std::vector<float> row(static_cast<size_t>(vocabulary));
    for (size_t i = 0; i < row.size(); ++i) {
      double x = std::sin(12.9898 * static_cast<double>(ids.back() + 1) +
                          78.233 * static_cast<double>(i + 1) + 37.719 * seed +
                          4.1414 * static_cast<double>(ids.size())) *
                 43758.5453;
      row[i] = static_cast<float>(spread * (x - std::floor(x)));
    }
    return row;
  });
}

}  // namespace tessera::toy
