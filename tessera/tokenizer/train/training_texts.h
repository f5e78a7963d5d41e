// The texts that a trainer learns from, read once, in memory that does not grow with them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/text/corpus.h"

namespace tessera {

// Whole texts, one after another.
class TextBlock {
 public:
  // Bytes behind the text that may be read (and say nothing).
  static constexpr size_t kPadding = 16;

  TextBlock() = default;
  // `ends`: where each text ends; empty: every line is a text, its end (\n) included.
  TextBlock(std::string bytes, std::vector<size_t> ends);
  std::string_view bytes() const { return {bytes_.data(), size_}; }
  bool by_lines() const { return ends_.empty(); }
  // Calls `sink` with every text, none of them empty.
  template <class Sink>
  void each_text(const Sink& sink) const {
    const std::string_view all = bytes();
    size_t begin = 0;
    for (size_t text = 0; begin < all.size(); ++text) {
      size_t end = 0;
      if (by_lines()) {
        end = all.find('\n', begin);
        end = end == std::string_view::npos ? all.size() : end + 1;
      } else {
        end = ends_[text];
      }
      if (end > begin) sink(all.substr(begin, end - begin));
      begin = end;
    }
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
  size_t size_ = 0;
};

struct TrainingTextsOptions {
  CorpusShape shape = {};
  // How often a text of each source counts; empty: once. 0.1: a tenth of its texts are read, 2.5:
  // all of them twice and half of them once more. Which ones follows from a text's bytes alone.
  std::vector<double> rates = {};
  // A line without an end in so many bytes is cut, so that a line of any length can be read.
  size_t longest_line = size_t{16} << 20;
  std::function<void(std::string_view)> progress = {};  // as in TrainingRequest
};

// TrainingTextsOptions::longest_line where `memory` bytes, 0 for any number, are allowed: some such
// lines are in memory at a time.
size_t longest_line_within(int64_t memory);

// A file's lines are texts of their own, line ends included; so are the members of JSONL, whole.
class TrainingTexts {
 public:
  TrainingTexts(std::vector<std::string> sources, TrainingTextsOptions options);

  // The largest place to cut a line at that is too long, in a part that begins with it: 0 < place
  // <= its size. Without one, in front of the last character.
  using CutLine = std::function<size_t(std::string_view)>;
  // Reads everything; `threads` threads, this one among them, call `work(block, thread)`, thread
  // being below `threads`, in any order; with one thread in the order of the sources. What it
  // throws ends the reading and is thrown here.
  using Work = std::function<void(const TextBlock& block, size_t thread)>;
  void read(int64_t threads, const CutLine& cut, const Work& work);

  // Of the texts that were given out, as often as they were.
  int64_t bytes_read() const { return read_; }
  int64_t cut_lines() const { return cut_lines_; }

 private:
  class Queue;
  void read_source(const std::string& source, const CutLine& cut,
                   const std::function<void(TextBlock)>& sink);

  std::vector<std::string> sources_;
  TrainingTextsOptions options_;
  int64_t read_ = 0, cut_lines_ = 0;
};

// Throws Error unless the texts had `any` part to learn from.
void expect_text(bool any);

}  // namespace tessera
