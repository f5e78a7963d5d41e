// Laws of the read seam, for every guest of the list.
#include <string>

#include <gtest/gtest.h>

#include "tests/base/guest_laws.h"
#include "tests/use/read_task.h"

namespace tessera {
namespace {

using test::byte_ids;
using test::made_up_document;
using test::read_task;
using test::tiny_description;
using test::tiny_model;

// A spec under which the small model has work to do; without the options that a reader lacks.
std::string small(const Guest<Reader>& guest, const std::string& always = "on") {
  Spec spec{guest.entry.name, {}};
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"budget", "120"}, {"window", "200"}, {"topk", "12"}, {"always", always}}) {
    for (const OptionDoc& option : guest.entry.options) {
      if (option.key == key) spec.options.emplace_back(key, value);
    }
  }
  return spec.text();
}

bool chooses(const Guest<Reader>& guest) { return !guest.entry.options.empty(); }

TEST(ReadLaws, EveryReaderKeepsTheLawsOfGuests) { expect_guest_laws<Reader>(); }

TEST(ReadLaws, WhatIsKeptStandsInTheDocumentOnceAndInOrder) {
  const auto network = load_network(tiny_model(tiny_description(), 2));
  const std::string document = made_up_document(4, 60);
  for (const auto& guest : guests<Reader>()) {
    if (!chooses(guest)) continue;
    SCOPED_TRACE(guest.entry.name);
    const ReadTask task = read_task(document, "where is abc", network.get());
    const ReadResult r = make_guest<Reader>(small(guest))->read(task);
    int64_t at = 0, tokens = 0;
    ASSERT_FALSE(r.kept.empty());
    for (const Passage& p : r.kept) {
      EXPECT_GE(p.begin, at);
      EXPECT_LT(p.begin, p.end);
      at = p.end;
      tokens += p.tokens();
      EXPECT_EQ(p.ids, byte_ids(std::string_view(document).substr(
                           static_cast<size_t>(p.begin), static_cast<size_t>(p.end - p.begin))));
    }
    EXPECT_LE(at, static_cast<int64_t>(document.size()));
    EXPECT_EQ(tokens, r.kept_tokens);
    EXPECT_LE(r.kept_tokens, 120);
    EXPECT_FALSE(r.whole);
    EXPECT_EQ(r.sentences, 60);
    EXPECT_EQ(r.tokens, static_cast<int64_t>(document.size()));
    // The same again.
    EXPECT_EQ(make_guest<Reader>(small(guest))->read(task).kept.size(), r.kept.size());
  }
}

// Oracle: the default reader.
TEST(ReadLaws, ADocumentThatFitsIsKeptWholeUnlessAskedOtherwise) {
  const auto network = load_network(tiny_model(tiny_description(), 2));
  const std::string document = made_up_document(5, 8);
  const ReadTask task = read_task(document, "where is abc", network.get());
  for (const auto& guest : guests<Reader>()) {
    SCOPED_TRACE(guest.entry.name);
    const ReadResult r = make_guest<Reader>(small(guest, "off"))->read(task);
    EXPECT_TRUE(r.whole);
    std::string back;
    for (const Passage& p : r.kept) {
      back += document.substr(static_cast<size_t>(p.begin), static_cast<size_t>(p.end - p.begin));
    }
    EXPECT_EQ(back, document);
  }
}

// Counted in tokens: a document of ten times the length holds no more.
TEST(ReadLaws, NothingGrowsWithTheDocument) {
  const auto network = load_network(tiny_model(tiny_description(), 3));
  for (const auto& guest : guests<Reader>()) {
    if (!chooses(guest)) continue;
    SCOPED_TRACE(guest.entry.name);
    for (int64_t sentences : {40, 400}) {
      const std::string document = made_up_document(6, sentences);
      ReadTask task = read_task(document, "where is abc", network.get());
      // What was passed is not looked at again in the same pass.
      int64_t passed = 0, turns = 1;
      task.passed = [&](int64_t byte) {
        if (byte < passed) ++turns;
        passed = byte;
      };
      const auto reader = make_guest<Reader>(small(guest));
      const ReadResult r = reader->read(task);
      EXPECT_EQ(turns, reader->passes());
      EXPECT_EQ(passed, static_cast<int64_t>(document.size()));
      EXPECT_LE(r.most_held, 120 + 200 + 60);  // 60: a longest sentence
      EXPECT_LE(r.longest_pass, task.window);
    }
  }
}

TEST(ReadLaws, NothingToReadAndNoRoomAreRefused) {
  const auto network = load_network(tiny_model(tiny_description(), 3));
  const std::string document = made_up_document(6, 60);
  const auto refused = [&](const Guest<Reader>& guest, const ReadTask& task,
                           const std::string& words) {
    try {
      make_guest<Reader>(small(guest))->read(task);
      ADD_FAILURE() << "was read";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  for (const auto& guest : guests<Reader>()) {
    SCOPED_TRACE(guest.entry.name);
    refused(guest, read_task("", "what", network.get()), "document: is empty");
    refused(guest, read_task(" \n ", "what", network.get()), "document: is empty");
    refused(guest, read_task(document, " ", network.get()), "question: is empty");
    ReadTask narrow = read_task(document, "what", network.get());
    narrow.room = narrow.window = 100;
    refused(guest, narrow, chooses(guest) ? "budget=120" : "does not fit");
  }
}

TEST(ReadLaws, AStoppedReadingEnds) {
  const auto network = load_network(tiny_model(tiny_description(), 3));
  const std::string document = made_up_document(6, 4000);
  for (const auto& guest : guests<Reader>()) {
    if (!chooses(guest)) continue;
    ReadTask task = read_task(document, "what", network.get());
    int64_t asked = 0;
    task.stopped = [&] { return ++asked > 100; };
    EXPECT_LE(make_guest<Reader>(small(guest))->read(task).sentences, 101) << guest.entry.name;
  }
}

}  // namespace
}  // namespace tessera
