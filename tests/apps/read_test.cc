// Oracles: the contract of `run`; the document itself for what is kept of it.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/apps/spawn.h"
#include "tests/apps/verbs.h"
#include "tests/base/temporary_folder.h"

namespace tessera {
namespace {

using test::expect_refused;
using test::last_object;
using test::spawn;
using Json = nlohmann::json;

std::string document() {
  std::string out;
  for (int i = 0; i < 12; ++i) {
    out += "The road runs along the river and over the old stone bridge. ";
    if (i == 3) out += "The miller's cat is called Pepper. ";
    out += "In the evening the fishermen come home and mend their nets.\n\n";
  }
  return out;
}

TEST(RunRead, WhatIsKeptIsQuotedFromTheDocument) {
  NEEDS_MODEL("smollm2");
  test::TemporaryFolder folder;
  const std::string text = document(), question = "What is the miller's cat called?";
  folder.write("d.txt", text);
  for (const std::string spec :
       {"infini-retri:window=128,budget=64,topk=12,always=on", "bm25:budget=64,always=on"}) {
    const Json j = last_object(spawn({"run", "--json", "--max-tokens", "12", "--file",
                                      folder / "d.txt", "--read", spec, question}));
    const Json& read = j["read"];
    EXPECT_EQ(read["method"], spec.starts_with("bm25")
                                  ? spec
                                  : "infini-retri:budget=64,always=on,window=128,topk=12");
    EXPECT_EQ(read["document_bytes"], text.size());
    EXPECT_LE(read["kept_tokens"], 64);
    bool found = false;
    for (const Json& k : read["kept"]) {
      const std::string kept = k["text"];
      EXPECT_EQ(kept, text.substr(k["begin"], k["end"].get<size_t>() - k["begin"].get<size_t>()));
      found = found || kept.find("Pepper") != std::string::npos;
    }
    EXPECT_TRUE(found) << read;
    EXPECT_NEAR(read["kept_share"].get<double>(),
                read["kept_tokens"].get<double>() / read["document_tokens"].get<double>(), 1e-9);
  }
}

// Oracle: the same text in front of the question by hand.
TEST(RunRead, AShortDocumentIsReadAsItIs) {
  NEEDS_MODEL("smollm2");
  const std::string text = "The miller's cat is called Pepper.", question = "Name the cat.";
  const std::vector<std::string> common = {"run", "--json", "--max-tokens", "8"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), common.begin(), common.end());
    return more;
  };
  const Json by_hand = last_object(spawn(with({text + "\n\n" + question})));
  for (const std::string spec : {"whole", "infini-retri", "truncate"}) {
    const Json j =
        last_object(spawn(with({"--file", "-", "--read", spec, question}), {.input = text}));
    EXPECT_EQ(j["ids"], by_hand["ids"]) << spec;
    EXPECT_EQ(j["prompt_tokens"], by_hand["prompt_tokens"]);
    EXPECT_EQ(j["read"]["whole"], true);
  }
  EXPECT_EQ(last_object(spawn(with({"--file", "-", question}), {.input = text}))["ids"],
            by_hand["ids"]);
}

TEST(RunRead, WrongFlagsAreRefusedInOneLine) {
  test::TemporaryFolder folder;
  folder.write("d.txt", "A text.");
  const std::string file = folder / "d.txt";
  expect_refused(spawn({"run", "--read", "bm25", "x"}), 2, "there is no document to read");
  expect_refused(spawn({"run", "--read", "bm25:budgte=9", "--file", file, "x"}), 2,
                 "Did you mean budget?");
  expect_refused(spawn({"run", "--read", "nothing-such", "--file", file, "x"}), 2,
                 "no such method");
  expect_refused(spawn({"run", "--read", "infini-retri:layer=first", "--file", file, "x"}), 2,
                 "layer=first");
  expect_refused(spawn({"run", "--file", file, "--cache", folder / "c", "x"}), 2,
                 "does not go with --cache");
  expect_refused(spawn({"run", "--file", "-"}, {.input = "A text."}), 2, "there is none");
  NEEDS_MODEL("smollm2");
  expect_refused(spawn({"run", "--file", file, "--read", "bm25", " "}), 1, "question: is empty");
  expect_refused(spawn({"run", "--file", "/dev/null", "--read", "bm25", "x"}), 1,
                 "/dev/null: is empty");
}

}  // namespace
}  // namespace tessera
