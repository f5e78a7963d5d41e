#include "tessera/text/corpus.h"

#include <filesystem>
#include <fstream>
#include <vector>

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "tessera/base/error.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using Folder = test::TemporaryFolder;

std::string gzip(const std::string& text) {
  std::string out(compressBound(text.size()) + 32, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

template <class Read>
std::vector<std::string> collect(const Read& read) {
  std::vector<std::string> texts;
  read([&](std::string_view text) { texts.emplace_back(text); });
  return texts;
}

std::string fault(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

// Oracle: the text before it was packed, larger than any buffer in the reader.
TEST(Corpus, PackedFilesGiveThePlainText) {
  Folder folder;
  std::string text;
  for (int i = 0; i < 200000; ++i)
    text.append("line ").append(std::to_string(i * 7919LL)).append("\n");
  for (const auto& content :
       {text, gzip(text), zstd(text), gzip(text.substr(0, 9)) + gzip(text.substr(9))}) {
    std::string file = folder.write("a", content);
    auto whole = collect([&](const TextSink& sink) { read_files(file, sink); });
    ASSERT_EQ(whole.size(), 1U);
    EXPECT_EQ(whole[0], text);
    auto lines = collect([&](const TextSink& sink) { read_lines(file, sink); });
    ASSERT_EQ(lines.size(), 200000U);
    EXPECT_EQ(lines[199999], std::string("line ").append(std::to_string(199999LL * 7919)));
  }
}

TEST(Corpus, LinesLoseTheirEndsAndNothingElse) {
  Folder folder;
  std::string file = folder.write("a", "one\r\n\n two \nlast");
  std::vector<std::string> expected = {"one", "", " two ", "last"};
  EXPECT_EQ(collect([&](const TextSink& sink) { read_lines(file, sink); }), expected);
  EXPECT_EQ(collect([&](const TextSink& sink) { each_line("one\r\n\n two \nlast", sink); }),
            expected);
}

TEST(Corpus, FoldersAreReadInTheOrderOfNames) {
  Folder folder;
  folder.write("b.txt", "2");
  folder.write("a/z.txt", "1");
  folder.write("c.jsonl", "{\"text\":\"3\"}\n\n{\"text\":\"4\\n\"}\n");
  folder.write(".hidden", "no");
  std::vector<std::string> expected = {"1", "2", "3", "4\n"};
  EXPECT_EQ(collect([&](const TextSink& sink) { read_corpus(folder.path(), "text", sink); }),
            expected);
}

TEST(Corpus, OneTextIsUnpackedAndAFolderIsNone) {
  Folder folder;
  EXPECT_EQ(read_text(folder.write("a.gz", gzip("packed"))), "packed");
  EXPECT_EQ(read_text("/dev/null"), "");
  EXPECT_NE(fault([&] { read_text(folder.path()); }).find("is a folder"), std::string::npos);
}

TEST(Corpus, FaultsNameFileAndLine) {
  Folder folder;
  auto jsonl = [&](const std::string& content) {
    std::string file = folder.write("a.jsonl", content);
    return fault([&] { read_jsonl(file, "text", [](std::string_view) {}); });
  };
  EXPECT_NE(jsonl("{\"text\":\"x\"}\n{\"text\":1}\n").find("a.jsonl: line 2: has no string member"),
            std::string::npos);
  EXPECT_NE(jsonl("[1]\n").find("line 1: is not a JSON object"), std::string::npos);
  EXPECT_NE(jsonl("{\n").find("line 1: is not JSON"), std::string::npos);
  std::string packed = gzip(std::string(100000, 'x') + "y");
  for (size_t cut : {size_t{3}, packed.size() / 2, packed.size() - 1}) {
    std::string file = folder.write("cut.gz", packed.substr(0, cut));
    EXPECT_NE(fault([&] { read_files(file, [](std::string_view) {}); }), "") << cut;
  }
  std::string damaged = zstd(std::string(100000, 'x') + "y");
  std::string file = folder.write("cut.zst", damaged.substr(0, damaged.size() - 2));
  EXPECT_NE(fault([&] { read_files(file, [](std::string_view) {}); }).find("packed data"),
            std::string::npos);
  EXPECT_NE(fault([&] {
              read_files(folder.path() + "/none", [](std::string_view) {});
            }).find("No such file"),
            std::string::npos);
}

}  // namespace
}  // namespace tessera
