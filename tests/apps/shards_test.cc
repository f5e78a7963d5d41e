// `tessera tokenize -o`: killed at any moment, it leaves what the next call completes.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/apps/spawn.h"
#include "tests/base/temporary_folder.h"
#include "tests/tokenizer/fixtures.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using test::Ended;
using test::spawn;

class Folder : public test::TemporaryFolder {
 public:
  Folder() { write("tokenizer.json", fixtures::byte_level_json().dump()); }
};

std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    out[entry.path().filename().string()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return out;
}

// Starts the binary and kills it after a while; whether it ended by itself before.
bool killed_after(const std::vector<std::string>& arguments, std::chrono::microseconds pause) {
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_RDWR);
    if (nowhere < 0) _exit(127);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    std::vector<std::string> words = {TESSERA_BINARY};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  std::this_thread::sleep_for(pause);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

std::string lines(unsigned seed, int count) {
  std::mt19937 random(seed);
  std::string out;
  for (int i = 0; i < count; ++i) {
    std::string text =
        random() % 4 == 0 ? "hello world, hello" : fixtures::random_text(random, false);
    for (char& c : text) {
      if (c == '\n' || c == '\r') c = ' ';
    }
    out += text + "\n";
  }
  return out;
}

// Oracle: the folder of a run that nobody disturbed.
TEST(Shards, AreTheSameHoweverOftenTheWorkIsKilled) {
  for (const std::string dedup : {"", "minhash:threshold=0.7"}) {
    SCOPED_TRACE(dedup);
    Folder folder;
    std::ofstream(folder / "corpus.txt") << lines(1, 20000);
    const auto command = [&](const std::string& out, const std::string& threads) {
      std::vector<std::string> words = {"tokenize",
                                        "-m",
                                        folder / "tokenizer.json",
                                        "--file",
                                        folder / "corpus.txt",
                                        "--lines",
                                        "-o",
                                        folder / out,
                                        "-j",
                                        threads,
                                        "--shard-tokens",
                                        "5000"};
      if (!dedup.empty()) words.insert(words.end(), {"--dedup", dedup});
      return words;
    };
    ASSERT_EQ(spawn(command("whole", "1")).status, 0);
    const auto whole = contents(folder / "whole");
    ASSERT_GT(whole.size(), 10U);
    std::mt19937 random(7);
    int kills = 0;
    for (int attempt = 0; attempt < 15; ++attempt) {
      const std::chrono::microseconds pause(random() % 60000);
      if (!killed_after(command("killed", "2"), pause)) break;
      ++kills;
    }
    EXPECT_GT(kills, 0);
    const Ended last = spawn(command("killed", "2"));
    ASSERT_EQ(last.status, 0) << last.err;
    EXPECT_EQ(contents(folder / "killed"), whole);
    // Once more: nothing is left to do.
    ASSERT_EQ(spawn(command("killed", "1")).status, 0);
    EXPECT_EQ(contents(folder / "killed"), whole);
  }
}

TEST(Shards, AFolderOfOtherMakingIsRefusedWithTheReason) {
  Folder folder;
  std::ofstream(folder / "corpus.txt") << lines(1, 3000);
  std::vector<std::string> words = {"tokenize",
                                    "-m",
                                    folder / "tokenizer.json",
                                    "--file",
                                    folder / "corpus.txt",
                                    "--lines",
                                    "-o",
                                    folder / "out",
                                    "--shard-tokens",
                                    "2000"};
  ASSERT_EQ(spawn(words).status, 0);
  const auto before = contents(folder / "out");
  const auto refused = [&](const std::vector<std::string>& command, const std::string& reason) {
    const Ended e = spawn(command);
    EXPECT_EQ(e.status, 1);
    EXPECT_NE(e.err.find(reason), std::string::npos) << e.err;
    EXPECT_EQ(contents(folder / "out"), before);
  };
  auto other = words;
  other.push_back("--no-template");
  refused(other, "\"template\": true");
  auto json = fixtures::byte_level_json();
  std::swap(json["model"]["merges"][0], json["model"]["merges"][1]);
  json["model"]["merges"].erase(9);
  std::ofstream(folder / "other.json") << json.dump();
  other = words;
  other[2] = folder / "other.json";
  refused(other, "\"vocabulary\"");
  std::ofstream(folder / "corpus.txt") << lines(2, 3000);
  refused(words, "other input");
  std::ofstream(folder / "corpus.txt") << lines(1, 3500);
  refused(words, "now there is more");
  std::ofstream(folder / "corpus.txt") << lines(1, 1000);
  refused(words, "more input than there is");
}

}  // namespace
}  // namespace tessera
