// Oracles: encode() of each document; files damaged byte by byte.
#include "tessera/tokenizer/shards.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/tokenizer/corpus_shards.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tests/base/temporary_folder.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

using Folder = test::TemporaryFolder;

TEST(Shards, HoldTheIdsOfEachDocument) {
  for (const auto& [name, tokenizer] : fixtures::all_tokenizers()) {
    for (int threads : {1, 3}) {
      SCOPED_TRACE(name + ", threads " + std::to_string(threads));
      Folder folder;
      std::vector<std::string> documents;
      std::mt19937 random(4);
      fs::create_directories(folder / "in");
      for (int i = 0; i < 40; ++i) {
        std::string text;
        for (int n = 0; n < i; ++n) text += fixtures::random_text(random, false);
        std::ofstream(folder / ("in/" + std::to_string(100 + i))) << text;
        documents.push_back(text);
      }
      const auto made = write_corpus_shards(*tokenizer, folder / "in", folder / "out",
                                            {.add_template = threads == 1,
                                             .special_in_text = true,
                                             .shard_tokens = 300,
                                             .threads = threads});
      EXPECT_EQ(made.documents, 40);
      const ShardFolder shards(folder / "out");
      ASSERT_EQ(shards.documents(), 40);
      EXPECT_GT(shards.shards().size(), 2U);
      size_t next = 0;
      for (const Shard& shard : shards.shards()) {
        for (int64_t d = 0; d < shard.documents(); ++d) {
          const EncodeOptions options{.add_template = threads == 1, .special_in_text = true};
          ASSERT_EQ(shard.ids(d), tokenizer->encode(documents[next++], options).ids);
        }
      }
    }
  }
}

// Documents longer than what is encoded at once; oracle: encode() of the whole.
TEST(Shards, ALongDocumentHasTheIdsOfItsWholeEncode) {
  const auto tokenizer = fixtures::parse(fixtures::byte_level_json());
  Folder folder;
  std::string text;
  std::mt19937 random(9);
  while (text.size() < (size_t{40} << 20)) {
    const std::string part = fixtures::random_text(random, false);
    for (int i = 0; i < 400; ++i) text += part;
  }
  std::ofstream(folder / "long.txt") << text;
  write_corpus_shards(*tokenizer, folder / "long.txt", folder / "out", {.threads = 2});
  const ShardFolder shards(folder / "out");
  IdBuffer ids;
  tokenizer->encode_ids(text, {}, ids);
  ASSERT_EQ(shards.shards().size(), 1U);
  const auto found = shards.shards()[0].ids(0);
  EXPECT_TRUE(std::equal(found.begin(), found.end(), ids.ids().begin(), ids.ids().end()));
}

TEST(Shards, WideIdsAreKept) {
  Folder folder;
  {
    ShardWriter writer(folder / "00000.shard", 4);
    writer.add(std::vector<TokenId>{70000, 1, 2});
    writer.end_document();
    writer.end_document();
    writer.commit({.read = 2});
  }
  const Shard shard(folder / "00000.shard");
  EXPECT_EQ(shard.ids(0), (std::vector<TokenId>{70000, 1, 2}));
  EXPECT_TRUE(shard.ids(1).empty());
  EXPECT_EQ(shard.ids32().size(), 3U);
  EXPECT_TRUE(shard.ids16().empty());
}

TEST(Shards, DamageIsRefusedOrReadWithinTheFile) {
  Folder folder;
  {
    ShardWriter writer(folder / "a.shard", 2);
    writer.add(std::vector<TokenId>{1, 2, 3});
    writer.end_document();
    writer.add(std::vector<TokenId>{4});
    writer.end_document();
    writer.commit({.read = 2});
  }
  std::string whole;
  {
    const MappedFile file(folder / "a.shard");
    whole = file.text();
  }
  const auto read = [&](const std::string& bytes) {
    std::ofstream(folder / "b.shard", std::ios::binary) << bytes;
    try {
      const Shard shard(folder / "b.shard");
      for (int64_t d = 0; d < shard.documents(); ++d) shard.ids(d);
    } catch (const Error& e) {
      EXPECT_NE(e.where(), "");
      return false;
    }
    return true;
  };
  EXPECT_TRUE(read(whole));
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_FALSE(read(whole.substr(0, n))) << n;
    for (int value : {0, 1, 3, 0x7F, 0xFF}) {
      std::string damaged = whole;
      damaged[n] = static_cast<char>(value);
      read(damaged);
    }
  }
}

}  // namespace
}  // namespace tessera
