// Oracle: cosines of all sentences at once, sorted.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/use/sentences.h"
#include "tests/use/read_task.h"

namespace tessera {
namespace {

std::vector<double> mean_row(Network& network, const std::string& text) {
  const auto ids = test::byte_ids(text);
  const auto width = static_cast<size_t>(network.description().embedding_width);
  std::vector<float> rows(ids.size() * width);
  network.embed(ids, rows);
  std::vector<double> out(width);
  for (size_t i = 0; i < rows.size(); ++i) out[i % width] += rows[i];
  return out;
}

double angle(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) /
         std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0) *
                   std::inner_product(b.begin(), b.end(), b.begin(), 0.0));
}

TEST(Similar, WithoutAnEncoderKeepsTheNearestMeans) {
  const auto network = load_network(test::tiny_model(test::tiny_description(), 4));
  const std::string document = test::made_up_document(8, 50), question = "abacus cab";
  std::vector<std::string> all;
  SentenceCutter cutter(document);
  for (SentenceCutter::Sentence s; cutter.next(s);) {
    all.push_back(document.substr(s.begin, s.end - s.begin));
  }
  const auto asked = mean_row(*network, question);
  std::vector<std::pair<double, size_t>> order;
  for (size_t i = 0; i < all.size(); ++i)
    order.emplace_back(-angle(asked, mean_row(*network, all[i])), i);
  std::sort(order.begin(), order.end());
  std::vector<size_t> want;
  for (size_t bytes = 0; const auto& [score, i] : order) {
    bytes += all[i].size();
    if (bytes > 150) break;
    want.push_back(i);
  }
  std::sort(want.begin(), want.end());
  const ReadResult r = make_guest<Reader>("similar:budget=150,always=on")
                           ->read(test::read_task(document, question, network.get()));
  ASSERT_EQ(r.kept.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(document.substr(static_cast<size_t>(r.kept[i].begin),
                              static_cast<size_t>(r.kept[i].end - r.kept[i].begin)),
              all[want[i]]);
    EXPECT_NEAR(r.kept[i].score, angle(asked, mean_row(*network, all[want[i]])), 1e-6);
  }
  EXPECT_EQ(r.network_passes, 0);
}

TEST(Similar, AnEncoderThatIsNotThereIsNamed) {
  const auto network = load_network(test::tiny_model(test::tiny_description(), 4));
  const std::string document = test::made_up_document(8, 50);
  try {
    make_guest<Reader>("similar:model=no-such-encoder,budget=150,always=on")
        ->read(test::read_task(document, "what", network.get()));
    ADD_FAILURE() << "was read";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no-such-encoder"), std::string::npos);
  }
}

}  // namespace
}  // namespace tessera
