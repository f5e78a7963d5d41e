// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

// Writes to a temporary file beside `path`; commit() flushes it to the disk and renames it into
// place. Destroyed without commit(), the temporary file is removed and `path` is as it was.
class AtomicFile {
 public:
  // Throws Error when the folder does not exist or cannot be written.
  explicit AtomicFile(std::string path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // Throws Error when the disk is full.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  // Bytes written so far.
  uint64_t size() const { return written_; }
  // fsync, rename, fsync of the folder. Call once, last.
  void commit();

 private:
  void flush();
  std::string path_, temporary_, buffer_;
  int fd_ = -1;
  uint64_t written_ = 0;
};

// The whole of `text` as the new content of `path`.
void write_file(const std::string& path, std::string_view text);

}  // namespace tessera
