#include "tessera/network/past_file.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/network/engine.h"
#include "tests/base/same_bits.h"
#include "tests/base/temporary_folder.h"
#include "tests/decode/toy.h"
#include "tests/network/tiny_model.h"

namespace tessera {
namespace {

using test::random_ids;

// A network, the past that has seen `ids`, and the logits of what follows.
struct Reader {
  explicit Reader(uint64_t seed = 7, const EngineOptions& options = {})
      : files(test::tiny_model(test::tiny_description(), seed)),
        network(load_network(files, options)) {
    StoredTensor t;
    t.name = "embedding";
    t.data = files.checkpoint->weight({Part::token_embedding}).data;
    files.tensors.push_back(t);
  }
  PastOrigin origin(const std::string& policy = "full", int words = 96) const {
    return past_origin(files, *toy::letters(words), policy, *network);
  }
  std::vector<float> run(Past& past, const std::vector<int32_t>& ids) const {
    std::vector<float> vectors(ids.size() * 64), logits(ids.size() * 96);
    network->embed(ids, vectors);
    Segment s;
    s.past = &past;
    s.vectors = vectors;
    s.count = s.wanted = static_cast<int64_t>(ids.size());
    s.logits = logits;
    network->forward({&s, 1});
    return logits;
  }

  ModelFiles files;
  std::unique_ptr<Network> network;
};

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string refusal(const std::string& path, const PastOrigin& origin, Network& network) {
  try {
    load_past(path, origin, network);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Oracle: the past that never left memory.
TEST(PastFile, ARestoredPastGoesOnWithTheSameBits) {
  test::TemporaryFolder folder;
  for (const CacheChoice cache :
       {CacheChoice::f32, CacheChoice::f16, CacheChoice::bf16, CacheChoice::q8}) {
    for (const char* policy : {"full", "streaming:sinks=4,local=70"}) {
      for (const int64_t length : {1, 63, 64, 65, 130, 300}) {
        SCOPED_TRACE(std::string(policy) + " " + std::to_string(length));
        EngineOptions options;
        options.cache = cache;
        Reader one(7, options), other(7, options);
        const auto ids = random_ids(3, length, 96), more = random_ids(4, 70, 96);
        auto past = one.network->new_past(policy);
        one.run(*past, ids);
        save_past(folder / "past", one.origin(policy), *one.network, ids, *past);
        KeptPast kept = load_past(folder / "past", other.origin(policy), *other.network);
        EXPECT_EQ(kept.ids, ids);
        EXPECT_EQ(kept.past->length(), length);
        EXPECT_EQ(kept.past->can_truncate(), past->can_truncate());
        EXPECT_TRUE(test::same_bits(other.run(*kept.past, more), one.run(*past, more)));
      }
    }
  }
}

TEST(PastFile, HoldsNothingOfWhatWasTakenBack) {
  for (const CacheChoice cache : {CacheChoice::f32, CacheChoice::f16, CacheChoice::q8}) {
    EngineOptions options;
    options.cache = cache;
    Reader r(7, options);
    test::TemporaryFolder folder;
    const auto ids = random_ids(3, 100, 96);
    auto plain = r.network->new_past(), shortened = r.network->new_past();
    r.run(*plain, ids);
    r.run(*shortened, ids);
    r.run(*shortened, random_ids(5, 25, 96));
    shortened->truncate(100);
    save_past(folder / "a", r.origin(), *r.network, ids, *plain);
    save_past(folder / "b", r.origin(), *r.network, ids, *shortened);
    EXPECT_EQ(content(folder / "a"), content(folder / "b"));
  }
}

TEST(PastFile, IsRefusedWithTheReasonWhereSomethingDiffers) {
  Reader r;
  test::TemporaryFolder folder;
  const std::string path = folder / "past";
  const auto ids = random_ids(3, 10, 96);
  auto past = r.network->new_past();
  r.run(*past, ids);
  save_past(path, r.origin(), *r.network, ids, *past);
  EXPECT_EQ(refusal(path, r.origin(), *r.network), "");
  const auto says = [&](const PastOrigin& origin, const std::string& words) {
    const std::string line = refusal(path, origin, *r.network);
    EXPECT_NE(line.find("another " + words), std::string::npos) << line;
  };
  says(Reader(8).origin(), "model");
  says(r.origin("full", 95), "tokenizer");
  says(r.origin("streaming:local=5"), "context policy");
  EngineOptions half;
  half.cache = CacheChoice::f16;
  says(Reader(7, half).origin(), "engine");
}

TEST(PastFile, DamagedOnesAreRefused) {
  Reader r;
  test::TemporaryFolder folder;
  const auto ids = random_ids(3, 70, 96);
  auto past = r.network->new_past();
  r.run(*past, ids);
  save_past(folder / "past", r.origin(), *r.network, ids, *past);
  const std::string whole = content(folder / "past");
  const auto refused = [&](const std::string& bytes, size_t at) {
    const std::string line = refusal(folder.write("bad", bytes), r.origin(), *r.network);
    EXPECT_NE(line.find("no whole cache file"), std::string::npos) << at << " " << line;
  };
  for (size_t at = 0; at < whole.size(); at += 1 + at / 8) {
    refused(whole.substr(0, at), at);
    std::string edited = whole;
    edited[at] = static_cast<char>(edited[at] ^ 4);
    refused(edited, at);
  }
  refused(whole + "x", whole.size());
  refused("", 0);
  EXPECT_THROW(load_past(folder / "none", r.origin(), *r.network), Error);
}

// What has a right hash and wrong content, as only a program would write it.
TEST(PastFile, BytesThatNoPastCanHaveWrittenAreRefused) {
  Reader r;
  auto past = r.network->new_past();
  r.run(*past, random_ids(3, 70, 96));
  std::vector<std::byte> bytes;
  r.network->write_past(
      *past, [&](std::span<const std::byte> b) { bytes.insert(bytes.end(), b.begin(), b.end()); });
  EXPECT_EQ(r.network->read_past(bytes, "full")->length(), 70);
  for (size_t field = 0; field < 5; ++field) {
    for (const int64_t value : {int64_t{-1}, int64_t{1} << 62, int64_t{71}, int64_t{200}}) {
      auto bad = bytes;
      std::memcpy(bad.data() + field * 8, &value, 8);
      EXPECT_THROW(r.network->read_past(bad, "full"), Error) << field << " " << value;
    }
  }
  for (const size_t size : {size_t{0}, size_t{7}, size_t{30}, bytes.size() - 1}) {
    EXPECT_THROW(r.network->read_past(std::span(bytes).first(size), "full"), Error);
  }
}

}  // namespace
}  // namespace tessera
