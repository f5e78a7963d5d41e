// What verbs read: files, pipes and devices; bytes that are no UTF-8; and how they compute.
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tessera/kernels/kernels.h"
#include "tests/apps/verbs.h"

namespace tessera {
namespace {

using test::Ended;
using test::expect_refused;
using test::last_object;
using test::spawn;
using Json = nlohmann::json;

const std::string kText = "The quick brown fox jumps over the lazy dog.\n";

// A named pipe into which `text` is written once somebody reads it.
class NamedPipe {
 public:
  explicit NamedPipe(const std::string& text)
      : path_(testing::TempDir() + "tessera-pipe-" + std::to_string(getpid())) {
    std::filesystem::remove(path_);
    if (mkfifo(path_.c_str(), 0600) != 0) std::abort();
    writer_ = std::thread([this, text] { std::ofstream(path_) << text; });
  }
  NamedPipe(const NamedPipe&) = delete;
  NamedPipe& operator=(const NamedPipe&) = delete;
  ~NamedPipe() {
    // A reader that never came must not hold up the writer.
    const int fd = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    writer_.join();
    close(fd);
    std::filesystem::remove(path_);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::thread writer_;
};

// Oracle: the same text on standard input.
TEST(Inputs, PipesAndDevicesAreReadAsStreams) {
  NEEDS_MODEL("smollm2")
  const Json want = last_object(spawn({"score", "--json"}, {.input = kText}));
  EXPECT_EQ(last_object(spawn({"score", "--json", "-"}, {.input = kText})), want);
  EXPECT_EQ(last_object(spawn({"score", "--json", "/dev/stdin"}, {.input = kText})), want);
  const NamedPipe pipe(kText);
  EXPECT_EQ(last_object(spawn({"score", "--json", pipe.path()})), want);
}

TEST(Inputs, EmbedReadsPipes) {
  NEEDS_MODEL("minilm")
  const NamedPipe pipe(kText);
  EXPECT_EQ(last_object(spawn({"embed", "--json", "--file", pipe.path()})),
            last_object(spawn({"embed", "--json"}, {.input = kText})));
}

TEST(Inputs, TheNullDeviceIsAnEmptyTextAndAFolderIsNone) {
  NEEDS_MODEL("smollm2")
  expect_refused(spawn({"score", "/dev/null"}), 1, "Give a longer text");
  EXPECT_EQ(last_object(spawn({"tokenize", "--json", "--file", "/dev/null"}))["ids"].size(), 0U);
  expect_refused(spawn({"score", testing::TempDir()}), 1, "is a folder");
}

// Latin-1, a cut character, a surrogate, bare continuations. The model's vocabulary has no tokens
// for the bytes that no UTF-8 text holds (0xC0, 0xF5 ..): its library leaves them out, and so do
// we.
const std::string kBytes = "caf\xe9 \xe2\x82 \xed\xa0\x80 \x80\xbf\x80 \xf0\x9f\x98 end";

TEST(BytesThatAreNoUtf8, AreTokenizedAndComeBack) {
  NEEDS_MODEL("smollm2")
  const Json o = last_object(spawn({"tokenize", "--json"}, {.input = kBytes}));
  int64_t at = 0;
  for (const auto& span : o["spans"]) {
    EXPECT_EQ(span[0], at);
    at = span[1];
  }
  EXPECT_EQ(at, static_cast<int64_t>(kBytes.size()));
  EXPECT_EQ(spawn({"tokenize", "--decode"}, {.input = o["ids"].dump()}).out, kBytes);
  EXPECT_EQ(last_object(spawn({"tokenize", "--json", kBytes})), o);
}

TEST(BytesThatAreNoUtf8, AreScored) {
  NEEDS_MODEL("smollm2")
  const Json spans = last_object(spawn({"tokenize", "--json"}, {.input = kBytes}))["spans"];
  const Json o = last_object(spawn({"score", "--json"}, {.input = kBytes}));
  EXPECT_EQ(o["bytes"], kBytes.size() - spans[0][1].get<size_t>());
  EXPECT_EQ(o["tokens"], spans.size() - 1);
}

TEST(BytesThatAreNoUtf8, AreAnswered) {
  NEEDS_MODEL("smollm2")
  for (const bool raw : {false, true}) {
    std::vector<std::string> words = {"run", "--json", "--max-tokens", "3"};
    if (raw) words.emplace_back("--raw");
    const Json o = last_object(spawn(words, {.input = kBytes}));
    EXPECT_EQ(o["tokens"], 3);
    words.push_back(kBytes);
    EXPECT_EQ(last_object(spawn(words))["ids"], o["ids"]);
  }
}

TEST(Levels, EveryLevelOfThisProcessorAnswersGreedilyTheSame) {
  NEEDS_MODEL("smollm2")
  const std::vector<std::string> words = {"run", "--json", "--max-tokens", "8",
                                          "What is the capital of France?"};
  Json first;
  for (const Kernels* level : available_kernels()) {
    SCOPED_TRACE(level->name);
    const std::string name(level->name);
    const auto environment =
        std::vector<std::pair<std::string, std::string>>{{"TESSERA_LEVEL", name}};
    EXPECT_NE(spawn({"--version"}, {.environment = environment}).out.find(", " + name),
              std::string::npos);
    const Json o = last_object(spawn(words, {.environment = environment}));
    EXPECT_NE(o["text"].get<std::string>().find("Paris"), std::string::npos) << o["text"];
    if (first.is_null()) first = o["ids"];
    EXPECT_EQ(o["ids"], first);
  }
}

// The loader itself says which libraries were opened, at the start and later.
TEST(Engine, NoVerbOfItsOwnLoadsLibtorch) {
  NEEDS_MODEL("smollm2")
  NEEDS_MODEL("minilm")
  const std::vector<std::vector<std::string>> lines = {
      {"run", "--max-tokens", "1", "Hi"},
      {"score", "-"},
      {"tokenize", "Hi"},
      {"embed", "Hi"},
      {"inspect"},
      {"models"},
      {"list"},
      {"doctor"},
      {"bench", "model", "--prompt-tokens", "2", "--tokens", "1", "--rounds", "1"},
      {"bench", "tokenizer", "--file", "LICENSE", "--passes", "1"}};
  for (const auto& words : lines) {
    SCOPED_TRACE(words[0]);
    const Ended e = spawn(words, {.input = kText, .environment = {{"LD_DEBUG", "libs"}}});
    EXPECT_EQ(e.status, 0);
    EXPECT_NE(e.err.find("libtessera.so"), std::string::npos);
    for (const char* library : {"libtorch", "libc10", "libtessera-workshop"})
      EXPECT_EQ(e.err.find(library), std::string::npos) << library;
  }
}

TEST(Inspect, GivesTheContractsObject) {
  NEEDS_MODEL("smollm2")
  const Json o = last_object(spawn({"inspect", "smollm2", "--json"}));
  EXPECT_EQ(o["family"], "llama");
  EXPECT_EQ(o["parameters"], 134515008);
  EXPECT_EQ(o["context"], 8192);
  EXPECT_EQ(o["tokenizer"]["tokens"], 49152);
  EXPECT_TRUE(o["features"].is_object());
  int64_t tensors = 0;
  for (const Json& row : o["tensors"]) tensors += row["tensors"].get<int64_t>();
  EXPECT_EQ(tensors, 272);
  const Json& plan = o["memory"];
  EXPECT_EQ(plan["peak"],
            plan["program"].get<int64_t>() + plan["weights"].get<int64_t>() +
                plan["mapped"].get<int64_t>() + plan["scratch"].get<int64_t>() +
                plan["context"].get<int64_t>() * plan["cache_per_token"].get<int64_t>());
  EXPECT_GT(plan["longest_context"], 0);
  EXPECT_EQ(last_object(spawn({"inspect", "--ctx", "100", "--json"}))["memory"]["context"], 100);
}

// Where the workshop library is not built, both say what to do.
TEST(Device, LibtorchGivesTheEnginesAnswerOrSaysWhatIsMissing) {
  NEEDS_MODEL("smollm2")
  expect_refused(spawn({"score", "--device", "cpu", "--precise"}, {.input = kText}), 2,
                 "Leave one of them out");
  const Ended other = spawn({"score", "--json", "--device", "cpu"}, {.input = kText});
  if (other.status != 0) {
    expect_refused(other, 1, "scripts/setup.sh --workshop");
    return;
  }
  const double want = last_object(spawn({"score", "--json", "--precise"}, {.input = kText}))["nll"];
  EXPECT_NEAR(last_object(other)["nll"], want, 1e-3 * want);
  const Ended cuda = spawn({"score", "--json", "--device", "cuda"}, {.input = kText});
  if (cuda.status == 0) {
    EXPECT_NEAR(last_object(cuda)["nll"], want, 1e-3 * want);
  } else {
    expect_refused(cuda, 1, "Take --device cpu");
  }
}

TEST(Bench, GivesTheContractsObjects) {
  NEEDS_MODEL("smollm2")
  const Json model = last_object(spawn(
      {"bench", "model", "--json", "--prompt-tokens", "4", "--tokens", "2", "--rounds", "1"}));
  for (const char* field :
       {"prefill_tokens_per_s", "decode_tokens_per_s", "weight_bytes", "peak_memory_bytes"})
    EXPECT_GT(model[field], 0) << field;
  const Json profile =
      last_object(spawn({"bench", "model", "--json", "--prompt-tokens", "4", "--tokens", "2",
                         "--rounds", "1", "--profile"}))["profile"];
  EXPECT_GT(profile["floor"]["bytes_per_second"], 0);
  EXPECT_EQ(profile["prefill"]["passes"], 1);
  EXPECT_EQ(profile["decode"]["passes"], 2);
  EXPECT_GT(profile["decode"]["operations"].size(), 5U);
  const Json tokenizer = last_object(spawn({"bench", "tokenizer", "--json", "--file", "LICENSE"}));
  for (const char* field : {"mb_per_s_first", "mb_per_s", "tokens", "load_seconds"})
    EXPECT_GT(tokenizer[field], 0) << field;
}

// 8,192 tokens is what the model was trained for.
TEST(Ctx, BoundsTextsAndIsNamedAsTheRemedy) {
  NEEDS_MODEL("smollm2")
  const std::string words = [] {
    std::string text;
    for (int i = 0; i < 200; ++i) text += "word ";
    return text;
  }();
  expect_refused(spawn({"run", "--ctx", "100"}, {.input = words}), 1, "--ctx 8192 opens it");
  expect_refused(spawn({"score", "--ctx", "50", "--window", "60"}, {.input = words}), 1,
                 "--ctx 60 opens it");
  expect_refused(spawn({"run", "--ctx", "8193", "hi"}), 1, "Give at most --ctx 8192");
  EXPECT_EQ(last_object(spawn({"run", "--json", "--ctx", "40", "Count to 100."}))["finish"],
            "length");
}

}  // namespace
}  // namespace tessera
