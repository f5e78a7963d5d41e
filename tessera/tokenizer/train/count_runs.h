// Counted words in ascending order, in a temporary file that nobody else sees.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// A file that is gone when the last owner is.
class CountRun {
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

 public:
  class Writer {
   public:
    // In $TMPDIR, else the system's folder for such files. Throws Error when none can be made.
    Writer();
    // Needs ascending words. Throws Error when the disk is full.
    void add(std::string_view word, int64_t count);
    CountRun finish();

   private:
    File file_;
  };

  class Reader {
   public:
    // `run` must outlive this, and is read by one reader at a time.
    explicit Reader(const CountRun& run);
    // False at the end.
    bool next();
    std::string_view word() const { return word_; }
    int64_t count() const { return count_; }

   private:
    bool fill();
    std::FILE* file_;
    uint64_t at_ = 0;
    std::string buffer_, word_;
    size_t used_ = 0;
    int64_t count_ = 0;
  };

 private:
  explicit CountRun(File file) : file_(std::move(file)) {}
  File file_;
};

}  // namespace tessera
