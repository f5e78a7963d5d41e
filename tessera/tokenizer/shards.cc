#include "tessera/tokenizer/shards.h"

#include <array>
#include <bit>
#include <cstring>

#include <simdjson.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are little-endian");

constexpr std::string_view kMagic = "TESSHARD";
constexpr size_t kTrailer = 64;

size_t padded(size_t bytes) { return (bytes + 7) / 8 * 8; }

template <class Number>
void put(char* at, Number value) {
  std::memcpy(at, &value, sizeof value);
}
template <class Number>
Number get(std::string_view bytes, size_t at) {
  Number out;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

std::string written(const ShardFacts& facts) {
  std::string out(kTrailer, '\0');
  put(out.data(), kShardVersion);
  put(out.data() + 4, facts.id_bytes);
  put(out.data() + 8, facts.tokens);
  put(out.data() + 16, facts.documents);
  put(out.data() + 24, facts.read);
  put(out.data() + 32, facts.vocabulary);
  put(out.data() + 40, facts.input);
  kMagic.copy(out.data() + 56, kMagic.size());
  return out;
}

}  // namespace

Shard::Shard(const std::string& path) : file_(path), bytes_(file_.text()), name_(path) { read(); }

Shard::Shard(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {
  read();
}

void Shard::read() {
  const std::string_view bytes = bytes_;
  const std::string& path = name_;
  const auto fail = [&](size_t at, const std::string& what) {
    throw Error(path + ": byte " + std::to_string(at), what, "Make the shards again.");
  };
  if (bytes.size() < kTrailer || !bytes.ends_with(kMagic)) {
    throw Error(path, "does not end as a shard does", "Make the shards again.");
  }
  const size_t end = bytes.size() - kTrailer;
  const std::string_view trailer = bytes.substr(end);
  if (const auto version = get<uint32_t>(trailer, 0); version != kShardVersion) {
    fail(end, "format version " + std::to_string(version) + "; this program reads version " +
                  std::to_string(kShardVersion));
  }
  facts_.id_bytes = get<uint32_t>(trailer, 4);
  facts_.tokens = get<uint64_t>(trailer, 8);
  facts_.documents = get<uint64_t>(trailer, 16);
  facts_.read = get<uint64_t>(trailer, 24);
  facts_.vocabulary = get<uint64_t>(trailer, 32);
  facts_.input = get<uint64_t>(trailer, 40);
  if (facts_.id_bytes != 2 && facts_.id_bytes != 4) {
    fail(end + 4, "ids of " + std::to_string(facts_.id_bytes) + " bytes; there are 2 and 4");
  }
  if (facts_.tokens > end / facts_.id_bytes || facts_.documents >= end / 8 ||
      padded(facts_.tokens * facts_.id_bytes) + (facts_.documents + 1) * 8 != end) {
    fail(end + 8, std::to_string(facts_.tokens) + " tokens and " +
                      std::to_string(facts_.documents) + " documents do not fill the " +
                      std::to_string(end) + " bytes in front");
  }
  const size_t at = padded(facts_.tokens * facts_.id_bytes);
  offsets_ = {reinterpret_cast<const uint64_t*>(bytes.data() + at), facts_.documents + 1};
  if (offsets_.front() != 0 || offsets_.back() != facts_.tokens) {
    fail(at, "offsets that do not run from 0 to the number of tokens");
  }
}

std::span<const uint16_t> Shard::ids16() const {
  if (facts_.id_bytes != 2) return {};
  return {reinterpret_cast<const uint16_t*>(bytes_.data()), facts_.tokens};
}

std::span<const uint32_t> Shard::ids32() const {
  if (facts_.id_bytes != 4) return {};
  return {reinterpret_cast<const uint32_t*>(bytes_.data()), facts_.tokens};
}

std::vector<TokenId> Shard::ids(int64_t document) const {
  const auto number = static_cast<size_t>(document);
  const uint64_t begin = offsets_[number], end = offsets_[number + 1];
  if (begin > end || end > facts_.tokens) {
    throw Error(
        name_,
        "the offsets of document " + std::to_string(document) + " lie outside the file's tokens",
        "Make the shards again.");
  }
  std::vector<TokenId> out;
  out.reserve(end - begin);
  const auto take = [&](auto ids) {
    for (auto id : ids.subspan(begin, end - begin)) out.push_back(static_cast<TokenId>(id));
  };
  facts_.id_bytes == 2 ? take(ids16()) : take(ids32());
  return out;
}

ShardWriter::ShardWriter(const std::string& path, uint32_t id_bytes)
    : file_(path), id_bytes_(id_bytes) {}

void ShardWriter::add(std::span<const TokenId> ids) {
  tokens_ += ids.size();
  if (id_bytes_ == 4) return file_.write(std::as_bytes(ids));
  narrow_.assign(ids.begin(), ids.end());
  file_.write(std::as_bytes(std::span<const uint16_t>(narrow_)));
}

void ShardWriter::end_document() { offsets_.push_back(tokens_); }

ShardFacts ShardWriter::commit(ShardFacts facts) {
  facts.id_bytes = id_bytes_;
  facts.tokens = tokens_;
  facts.documents = documents();
  const size_t bytes = tokens_ * id_bytes_;
  file_.write(std::string(padded(bytes) - bytes, '\0'));
  file_.write(std::as_bytes(std::span<const uint64_t>(offsets_)));
  file_.write(written(facts));
  file_.commit();
  return facts;
}

std::string shard_name(size_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 5) digits.insert(0, 5 - digits.size(), '0');
  return digits + ".shard";
}

ShardFolder::ShardFolder(const std::string& folder) {
  const std::string path = folder + "/manifest.json";
  const MappedFile file(path);
  simdjson::dom::parser parser;
  simdjson::dom::element top;
  const std::string_view text = file.text();
  if (auto error = parser.parse(text.data(), text.size()).get(top)) {
    throw Error(path, std::string("is not JSON: ") + simdjson::error_message(error));
  }
  uint64_t version = 0;
  bool complete = false;
  simdjson::dom::array shards;
  if (top.at_key("version").get(version) || version != kShardVersion) {
    throw Error(path, "\"version\" is not " + std::to_string(kShardVersion));
  }
  if (top.at_key("complete").get(complete) || !complete || top.at_key("shards").get(shards)) {
    throw Error(path, "the shards are not complete", "Run the command that makes them again.");
  }
  for (simdjson::dom::element shard : shards) {
    const std::string name = shard_name(shards_.size());
    std::string place = folder;
    place += "/";
    place += name;
    shards_.emplace_back(place);
    const Shard& last = shards_.back();
    uint64_t tokens = 0, documents = 0;
    if (shard.at_key("tokens").get(tokens) || shard.at_key("documents").get(documents) ||
        tokens != last.facts().tokens || documents != last.facts().documents) {
      throw Error(path, "does not fit " + name, "Make the shards again.");
    }
    documents_ += last.documents();
    tokens_ += last.tokens();
  }
}

}  // namespace tessera
