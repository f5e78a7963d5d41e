// Oracles of the readers that need no model: all sentences at once, scored and sorted.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "tessera/base/guest.h"
#include "tessera/base/random.h"
#include "tessera/use/passages.h"
#include "tests/use/read_task.h"

namespace tessera {
namespace {

using test::made_up_document;
using test::read_task;

std::vector<std::string> sentences(const std::string& document) {
  std::vector<std::string> out;
  SentenceCutter cutter(document);
  for (SentenceCutter::Sentence s; cutter.next(s);)
    out.push_back(document.substr(s.begin, s.end - s.begin));
  return out;
}

// Indices of the best, as many as the budget of bytes takes without leaving one out before another.
std::vector<size_t> best(const std::vector<std::string>& all, const std::vector<double>& scores,
                         size_t budget) {
  std::vector<size_t> order(all.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  size_t n = 0;
  for (size_t bytes = 0; n < order.size(); ++n) {
    bytes += all[order[n]].size();
    if (bytes > budget) break;
  }
  order.resize(n);
  std::sort(order.begin(), order.end());
  return order;
}

void expect_kept(const std::string& spec, const std::string& document, const std::string& question,
                 const std::vector<std::string>& all, const std::vector<size_t>& want) {
  SCOPED_TRACE(spec);
  const ReadResult r = make_guest<Reader>(spec)->read(read_task(document, question, nullptr));
  ASSERT_EQ(r.kept.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(document.substr(static_cast<size_t>(r.kept[i].begin),
                              static_cast<size_t>(r.kept[i].end - r.kept[i].begin)),
              all[want[i]]);
  }
}

TEST(Readers, Bm25KeepsWhatTheFormulaPutsFirst) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const std::string document = made_up_document(seed, 80);
    const auto all = sentences(document);
    auto words = [](const std::string& text) {
      std::vector<std::string> out;
      std::istringstream in(text);
      for (std::string w; in >> w;) {
        if (!std::isalnum(static_cast<unsigned char>(w.back()))) w.pop_back();
        out.push_back(w);
      }
      return out;
    };
    // Five words of the document, in capitals.
    std::string question;
    for (size_t i = 3; i < 60; i += 13) question += words(all[i])[1] + " ";
    std::set<std::string> asked;
    for (const auto& w : words(question)) asked.insert(w);
    for (char& c : question) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    double mean = 0;
    std::map<std::string, double> holding;
    for (const auto& s : all) {
      mean += static_cast<double>(words(s).size()) / static_cast<double>(all.size());
      const auto list = words(s);
      for (const auto& w : std::set<std::string>(list.begin(), list.end())) ++holding[w];
    }
    std::vector<double> scores;
    for (const auto& s : all) {
      const auto list = words(s);
      double score = 0;
      for (const auto& w : asked) {
        const auto f = static_cast<double>(std::count(list.begin(), list.end(), w));
        const double idf =
            std::log(1 + (static_cast<double>(all.size()) - holding[w] + 0.5) / (holding[w] + 0.5));
        score +=
            idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * static_cast<double>(list.size()) / mean));
      }
      scores.push_back(std::round(score * 1e9) / 1e9);
    }
    expect_kept("bm25:budget=150,always=on", document, question, all, best(all, scores, 150));
  }
}

TEST(Readers, RandomKeepsWhatDrewTheLargestNumbers) {
  const std::string document = made_up_document(1, 80);
  const auto all = sentences(document);
  std::vector<double> scores;
  Random random(9);
  for (size_t i = 0; i < all.size(); ++i) scores.push_back(random.uniform());
  expect_kept("random:budget=200,always=on,seed=9", document, "what", all, best(all, scores, 200));
}

TEST(Readers, TruncateKeepsTheEnds) {
  const std::string document = made_up_document(2, 80);
  const auto all = sentences(document);
  auto fitting = [&](size_t room, bool from_end) {
    size_t n = 0;
    for (size_t bytes = 0; n < all.size(); ++n) {
      bytes += all[from_end ? all.size() - 1 - n : n].size();
      if (bytes > room) break;
    }
    return n;
  };
  std::vector<size_t> head(fitting(200, false)), tail(fitting(200, true)),
      both(fitting(100, false));
  std::iota(head.begin(), head.end(), size_t{0});
  std::iota(tail.begin(), tail.end(), all.size() - tail.size());
  std::iota(both.begin(), both.end(), size_t{0});
  for (size_t n = fitting(100, true); n > 0; --n) both.push_back(all.size() - n);
  expect_kept("truncate:budget=200,always=on,keep=head", document, "what", all, head);
  expect_kept("truncate:budget=200,always=on,keep=tail", document, "what", all, tail);
  expect_kept("truncate:budget=200,always=on", document, "what", all, both);
}

// Oracle: sorting. Whatever order passages come in.
TEST(Readers, TheBestPassagesAreABeginningOfTheirOrder) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    std::vector<std::string> all;
    std::vector<double> scores;
    for (int i = 0; i < 30; ++i) {
      all.emplace_back(1 + random.below(20), 'x');
      scores.push_back(static_cast<double>(random.below(8)));
    }
    std::vector<size_t> order(all.size());
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t i = 0; i < order.size(); ++i)
      std::swap(order[i], order[i + random.below(order.size() - i)]);
    BestPassages kept(60);
    for (const size_t i : order) {
      kept.add({static_cast<int64_t>(i), static_cast<int64_t>(i) + 1, scores[i],
                std::vector<int32_t>(all[i].size())});
      EXPECT_LE(kept.tokens(), 60);
    }
    std::vector<size_t> got;
    for (const Passage& p : kept.take()) got.push_back(static_cast<size_t>(p.begin));
    EXPECT_EQ(got, best(all, scores, 60));
  }
}

TEST(Readers, SentencesBeyondTheBudgetAreCutIntoParts) {
  const std::string document(5000, 'a');
  const ReadTask task = read_task(document, "what", nullptr);
  ReadResult r;
  PassageSource source(task, 40, r);
  int64_t at = 0;
  for (Passage p; source.next(p); at = p.end) {
    EXPECT_EQ(p.begin, at);
    EXPECT_LE(p.tokens(), 40);
  }
  EXPECT_EQ(at, 5000);
  EXPECT_EQ(r.tokens, 5000);
}

}  // namespace
}  // namespace tessera
