#include "tessera/tokenizer/train/prune.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/text/utf8.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/json_value.h"
#include "tessera/tokenizer/train/ordered_json.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// Texts with control tokens read as text, and read as tokens: both ways must stay.
constexpr EncodeOptions kPlain{.add_template = false};
constexpr EncodeOptions kSpecial{.add_template = false, .special_in_text = true};

struct Merge {
  size_t left, right, result;  // ids
};

class Pruning {
 public:
  Pruning(const std::string& path, TrainingTexts& texts, const PruneRequest& request)
      : path_(path), texts_(texts), request_(request) {
    const MappedFile file(path);
    base_ = parse_tokenizer_json(file.text(), path);
    simdjson::dom::parser parser;
    json_ = ordered_json_of(parse_json(parser, file.text(), path));
    const auto size = static_cast<size_t>(base_->vocabulary().size());
    counts_.resize(size);
    stays_.resize(size);
    read_vocabulary();
    read_merges();
  }

  PrunedTokenizer prune() {
    count();
    keep_what_must_stay();
    const std::vector<double> worth = worth_of_all();
    choose(worth);
    number();
    rewrite();
    out_.json = json_.dump(2) + "\n";
    check();
    return std::move(out_);
  }

 private:
  Json& model() { return json_["model"]; }
  const Vocabulary& vocabulary() const { return base_->vocabulary(); }
  size_t id_of(const std::string& piece, const char* what) const {
    const auto found = pieces_.find(piece);
    if (found == pieces_.end()) {
      throw Error(path_, fmt::format("{} \"{}\" is no token of the model", what, piece));
    }
    return found->second;
  }
  std::string mark(const char* name) {
    const Json& m = model();
    return m.contains(name) && m[name].is_string() ? m[name].get<std::string>() : "";
  }

  void read_vocabulary() {
    const Json& vocab = model()["vocab"];
    size_t index = 0;
    if (vocab.is_array()) {
      for (const Json& entry : vocab) pieces_.emplace(entry[0].get<std::string>(), index++);
    } else {
      for (const auto& [piece, id] : vocab.items()) pieces_.emplace(piece, id.get<size_t>());
    }
    out_.before = static_cast<int64_t>(pieces_.size());
    if (json_.contains("added_tokens")) {
      for (const Json& token : json_["added_tokens"]) {
        out_.before += pieces_.contains(token["content"].get<std::string>()) ? 0 : 1;
      }
    }
  }

  void read_merges() {
    prefix_ = mark("continuing_subword_prefix");
    if (!model().contains("merges")) return;
    for (const Json& merge : model()["merges"]) {
      std::string left, right;
      if (merge.is_array()) {
        left = merge[0].get<std::string>();
        right = merge[1].get<std::string>();
      } else {
        const auto text = merge.get<std::string>();
        const size_t space = text.find(' ');
        left = text.substr(0, space);
        right = text.substr(space + 1);
      }
      const std::string rest = right.starts_with(prefix_) ? right.substr(prefix_.size()) : right;
      merges_.push_back(
          {id_of(left, "merged"), id_of(right, "merged"), id_of(left + rest, "merged")});
    }
    out_.merges_before = static_cast<int64_t>(merges_.size());
  }

  // Calls visit(text, thread) for every text, on any thread; gives the bytes.
  template <class Visit>
  int64_t each_text(const Visit& visit) {
    const int64_t before = texts_.bytes_read();
    texts_.read(request_.threads, {}, [&](const TextBlock& block, size_t thread) {
      block.each_text([&](std::string_view text) { visit(text, thread); });
    });
    return texts_.bytes_read() - before;
  }

  void count() {
    struct Counts {
      IdBuffer ids;
      std::vector<int64_t> plain, special;
      int64_t tokens = 0;
    };
    std::vector<Counts> all(static_cast<size_t>(request_.threads));
    for (Counts& c : all) {
      c.plain.resize(counts_.size());
      c.special.resize(counts_.size());
    }
    out_.bytes = each_text([&](std::string_view text, size_t thread) {
      Counts& mine = all[thread];
      mine.ids.clear();
      base_->encode_ids(text, kPlain, mine.ids);
      for (const TokenId id : mine.ids.ids()) ++mine.plain[static_cast<size_t>(id)];
      mine.tokens += static_cast<int64_t>(mine.ids.size());
      mine.ids.clear();
      base_->encode_ids(text, kSpecial, mine.ids);
      for (const TokenId id : mine.ids.ids()) ++mine.special[static_cast<size_t>(id)];
    });
    if (out_.bytes == 0) {
      throw Error("the texts", "are empty, and would need no token",
                  "Name files with text in them.");
    }
    for (const Counts& c : all) {
      out_.tokens_before += c.tokens;
      for (size_t id = 0; id < counts_.size(); ++id) {
        counts_[id] += std::max(c.plain[id], c.special[id]);
      }
    }
  }

  bool single_character(std::string_view piece) {
    const std::string suffix = mark("end_of_word_suffix");
    if (!prefix_.empty() && piece.starts_with(prefix_)) piece.remove_prefix(prefix_.size());
    if (!suffix.empty() && piece.ends_with(suffix)) piece.remove_suffix(suffix.size());
    return !piece.empty() && unit_at(piece, 0).length == piece.size();
  }

  // Ids that other parts of the file name, in the places where they do.
  template <class Visit>
  void each_named_id(const Visit& visit) {
    if (json_.contains("added_tokens")) {
      for (Json& token : json_["added_tokens"]) visit(token["id"]);
    }
    if (model().contains("unk_id") && !model()["unk_id"].is_null()) visit(model()["unk_id"]);
    if (json_.contains("padding") && json_["padding"].is_object() &&
        json_["padding"].contains("pad_id")) {
      visit(json_["padding"]["pad_id"]);
    }
    if (json_.contains("post_processor")) each_template_id(json_["post_processor"], visit);
  }
  template <class Visit>
  static void each_template_id(Json& part, const Visit& visit) {
    if (!part.is_object()) return;
    for (const char* name : {"sep", "cls"}) {
      if (part.contains(name)) visit(part[name][1]);
    }
    if (part.contains("special_tokens")) {
      for (auto& [name, token] : part["special_tokens"].items()) {
        for (Json& id : token["ids"]) visit(id);
      }
    }
    if (part.contains("processors")) {
      for (Json& inner : part["processors"]) each_template_id(inner, visit);
    }
  }

  void keep_what_must_stay() {
    for (const auto& [piece, id] : pieces_) {
      const bool byte = vocabulary().role(static_cast<TokenId>(id)) == TokenRole::byte;
      if (byte || single_character(piece)) stays_[id] = true;
    }
    each_named_id([&](Json& id) {
      const auto named = id.get<int64_t>();
      if (named >= 0 && named < vocabulary().size()) stays_[static_cast<size_t>(named)] = true;
    });
    const std::string unknown = mark("unk_token");
    if (const auto found = pieces_.find(unknown); found != pieces_.end()) {
      stays_[found->second] = true;
    }
    // Characters that no piece has are scored by the piece that scores least.
    if (const Json& vocab = model()["vocab"]; vocab.is_array()) {
      const auto least = std::min_element(
          vocab.begin(), vocab.end(),
          [](const Json& a, const Json& b) { return a[1].get<double>() < b[1].get<double>(); });
      stays_[static_cast<size_t>(least - vocab.begin())] = true;
    }
  }

  size_t length_of(size_t id) const {
    const std::string_view piece = vocabulary().piece(static_cast<TokenId>(id));
    return piece.size() - (!prefix_.empty() && piece.starts_with(prefix_) ? prefix_.size() : 0);
  }

  // How often a token is in use, also within those that are merged of it. No part is worth less
  // than the whole, so that the tokens worth most can be merged of each other.
  std::vector<double> worth_of_all() const {
    std::vector<double> worth(counts_.begin(), counts_.end());
    std::vector<size_t> order(merges_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const size_t left = length_of(merges_[a].result), right = length_of(merges_[b].result);
      return left != right ? left > right : merges_[a].result < merges_[b].result;
    });
    std::vector<double> least(worth.size());
    for (size_t i = 0; i < order.size(); ++i) {
      const Merge& merge = merges_[order[i]];
      const bool first = i == 0 || merges_[order[i - 1]].result != merge.result;
      worth[merge.result] = std::max(worth[merge.result], least[merge.result]);
      for (const size_t part : {merge.left, merge.right}) {
        // The first merge is how the token usually comes about.
        if (first) worth[part] += worth[merge.result];
        least[part] = std::max(least[part], worth[merge.result]);
      }
    }
    return worth;
  }

  void choose(const std::vector<double>& worth) {
    std::vector<size_t> wanted;
    int64_t must = 0;
    for (size_t id = 0; id < worth.size(); ++id) {
      must += stays_[id] ? 1 : 0;
      if (!stays_[id] && worth[id] > 0) wanted.push_back(id);
    }
    if (request_.size > 0 && request_.size < must) {
      throw Error(fmt::format("--size {}", request_.size),
                  fmt::format("cannot hold {} characters, bytes and added tokens", must),
                  fmt::format("{} is the least that works.", must));
    }
    std::sort(wanted.begin(), wanted.end(), [&](size_t a, size_t b) {
      if (worth[a] != worth[b]) return worth[a] > worth[b];
      const size_t left = length_of(a), right = length_of(b);
      return left != right ? left < right : a < b;
    });
    const auto room = static_cast<size_t>(request_.size - must);
    if (request_.size > 0 && wanted.size() > room) {
      for (size_t i = room; i < wanted.size(); ++i) {
        if (counts_[wanted[i]] > 0) missed_.push_back(wanted[i]);
      }
      wanted.resize(room);
      exact_ = false;
    }
    for (const size_t id : wanted) stays_[id] = true;
    std::stable_sort(missed_.begin(), missed_.end(),
                     [&](size_t a, size_t b) { return counts_[a] > counts_[b]; });
    for (const size_t id : missed_) {
      out_.missed.emplace_back(vocabulary().piece(static_cast<TokenId>(id)));
    }
  }

  void number() {
    TokenId next = 0;
    for (const bool stays : stays_) out_.ids.push_back(stays ? next++ : -1);
    out_.after = next;
  }

  void rewrite() {
    Json& vocab = model()["vocab"];
    Json kept = vocab.is_array() ? Json::array() : Json::object();
    if (vocab.is_array()) {
      for (size_t id = 0; id < vocab.size(); ++id) {
        if (stays_[id]) kept.push_back(std::move(vocab[id]));
      }
    } else {
      auto& entries = kept.get_ref<Json::object_t&>();
      for (const auto& [piece, id] : vocab.items()) {
        const auto now = out_.ids[id.get<size_t>()];
        if (now >= 0) entries.emplace_back(piece, now);
      }
    }
    vocab = std::move(kept);
    if (model().contains("merges")) {
      Json merges = Json::array();
      for (size_t i = 0; i < merges_.size(); ++i) {
        const Merge& m = merges_[i];
        if (!stays_[m.left] || !stays_[m.right] || !stays_[m.result]) continue;
        merges.push_back(std::move(model()["merges"][i]));
      }
      out_.merges_after = static_cast<int64_t>(merges.size());
      model()["merges"] = std::move(merges);
    }
    each_named_id([&](Json& id) {
      const auto named = id.get<int64_t>();
      if (named >= 0 && named < vocabulary().size()) id = out_.ids[static_cast<size_t>(named)];
    });
  }

  // Encodes all texts by the result.
  void check() {
    const auto made = parse_tokenizer_json(out_.json, "the pruned vocabulary");
    std::mutex mutex;
    int64_t changed = 0;
    const int64_t bytes = each_text([&](std::string_view text, size_t) {
      IdBuffer before, after;
      int64_t tokens = 0;
      bool differs = false;
      for (const EncodeOptions& way : {kSpecial, kPlain}) {
        before.clear();
        after.clear();
        made->encode_ids(text, way, after);
        tokens = static_cast<int64_t>(after.size());
        base_->encode_ids(text, way, before);
        if (exact_) {
          differs = differs || !same(before.ids(), after.ids());
        } else {
          differs = differs || base_->decode(before.ids()) != made->decode(after.ids());
        }
      }
      const std::lock_guard lock(mutex);
      out_.tokens_after += tokens;
      changed += differs ? 1 : 0;
    });
    if (bytes != out_.bytes) {
      throw Error("the texts", "were not the same when they were read again",
                  "Name files that stay as they are; a pipe can be read only once.");
    }
    if (changed > 0 && exact_) {
      throw Error("the pruned vocabulary",
                  fmt::format("gives other tokens for {} of the texts", changed));
    }
    if (changed > 0) {
      out_.notes.push_back(fmt::format("{} texts come back otherwise than before.", changed));
    }
  }
  bool same(std::span<const TokenId> before, std::span<const TokenId> after) const {
    return std::equal(before.begin(), before.end(), after.begin(), after.end(),
                      [&](TokenId a, TokenId b) { return out_.ids[static_cast<size_t>(a)] == b; });
  }

  const std::string& path_;
  TrainingTexts& texts_;
  const PruneRequest& request_;
  std::shared_ptr<const Tokenizer> base_;
  Json json_;
  std::unordered_map<std::string, size_t> pieces_;
  std::string prefix_;
  std::vector<Merge> merges_;
  std::vector<int64_t> counts_;  // by id
  std::vector<bool> stays_;
  std::vector<size_t> missed_;
  bool exact_ = true;
  PrunedTokenizer out_;
};

}  // namespace

void expect_readable_twice(std::span<const std::string> sources) {
  for (const std::string& source : sources) {
    std::error_code error;
    const auto status = std::filesystem::status(source, error);
    const bool stays = std::filesystem::is_regular_file(status) ||
                       std::filesystem::is_directory(status) || !std::filesystem::exists(status);
    if (source != "-" && stays) continue;
    throw Error(source == "-" ? "standard input" : source,
                "can be read only once, and these texts are read twice",
                "Write it to a file first.");
  }
}

PrunedTokenizer prune_tokenizer(const std::string& base, TrainingTexts& texts,
                                const PruneRequest& request) {
  return Pruning(base, texts, request).prune();
}

}  // namespace tessera
