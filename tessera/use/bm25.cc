#include "tessera/use/bm25.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/text/utf8.h"

namespace tessera {
namespace {

void each_word(std::string_view text, const std::function<void(const std::string&)>& sink) {
  std::string word;
  auto flush = [&] {
    if (!word.empty()) sink(word);
    word.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const Unit u = unit_at(text, at);
    const std::string_view bytes = text.substr(at, u.length);
    at += u.length;
    const bool digit = u.code >= '0' && u.code <= '9', small = u.code >= 'a' && u.code <= 'z';
    // General punctuation and the full-width forms of it; what lies between is letters, mostly.
    const bool mark =
        (u.code >= 0x2000 && u.code < 0x2070) || (u.code >= 0x3000 && u.code < 0x3005);
    if (u.code >= 'A' && u.code <= 'Z') {
      word += static_cast<char>(u.code - 'A' + 'a');
    } else if (digit || small || (u.code >= 0xC0 && u.code < 0x2E80 && !mark)) {
      word += bytes;
    } else {
      flush();
      if (u.code >= 0x2E80 && u.code < kInvalidByte && !mark) {
        word += bytes;
        flush();
      }
    }
  }
  flush();
}

class Bm25 final : public Reader {
 public:
  explicit Bm25(const Bm25Options& o) : o_(o) {}
  int64_t passes() const override { return 2; }

  ReadResult read(const ReadTask& task) const override {
    if (auto whole = begin_reading(task, o_.limits)) return *std::move(whole);
    std::map<std::string, size_t, std::less<>> asked;  // the question's words, numbered
    each_word(task.question, [&](const std::string& word) { asked.emplace(word, asked.size()); });
    std::vector<double> found(asked.size());  // of a passage
    auto count = [&](const Passage& p) {
      std::fill(found.begin(), found.end(), 0.0);
      double words = 0;
      each_word(
          task.document.substr(static_cast<size_t>(p.begin), static_cast<size_t>(p.end - p.begin)),
          [&](const std::string& word) {
            ++words;
            if (const auto it = asked.find(word); it != asked.end()) ++found[it->second];
          });
      return words;
    };
    ReadResult out;
    std::vector<double> holding(asked.size());  // passages that hold a word
    double passages = 0, total = 0;
    {
      PassageSource source(task, o_.limits.budget, out);
      for (Passage p; source.next(p); ++passages) {
        total += count(p);
        for (size_t i = 0; i < found.size(); ++i) holding[i] += found[i] > 0 ? 1 : 0;
      }
    }
    const double mean = std::max(1.0, total / std::max(1.0, passages));
    BestPassages best(o_.limits.budget);
    PassageSource source(task, o_.limits.budget, out);
    for (Passage p; source.next(p);) {
      const double words = count(p);
      for (size_t i = 0; i < found.size(); ++i) {
        const double rare = std::log(1 + (passages - holding[i] + 0.5) / (holding[i] + 0.5));
        const double damped = found[i] + o_.k1 * (1 - o_.b + o_.b * words / mean);
        if (found[i] > 0) p.score += rare * found[i] * (o_.k1 + 1) / damped;
      }
      out.most_held = std::max(out.most_held, best.tokens() + p.tokens());
      best.add(std::move(p));
    }
    keep(out, best.take());
    return out;
  }

 private:
  Bm25Options o_;
};

}  // namespace

std::unique_ptr<Reader> bm25(const Bm25Options& options) { return std::make_unique<Bm25>(options); }

}  // namespace tessera
