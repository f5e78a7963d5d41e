#include "tessera/tokenizer/train/count_runs.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

struct Head {
  uint64_t size;
  int64_t count;
};
constexpr size_t kBuffer = size_t{64} << 10;

[[noreturn]] void refuse(const char* what) {
  throw Error("a temporary file", std::string(what) + ": " + std::strerror(errno),
              "Let TMPDIR name a folder with room.");
}

}  // namespace

CountRun::Writer::Writer() : file_(nullptr, std::fclose) {
  std::error_code error;
  const auto folder = std::filesystem::temp_directory_path(error);
  std::string name = ((error ? std::filesystem::path(".") : folder) / "tessera-XXXXXX").string();
  const int fd = mkstemp(name.data());
  if (fd < 0) refuse("cannot be made");
  unlink(name.c_str());
  file_.reset(fdopen(fd, "w+b"));
  if (!file_) {
    close(fd);
    refuse("cannot be opened");
  }
}

void CountRun::Writer::add(std::string_view word, int64_t count) {
  const Head head{word.size(), count};
  if (std::fwrite(&head, sizeof head, 1, file_.get()) != 1 ||
      std::fwrite(word.data(), 1, word.size(), file_.get()) != word.size()) {
    refuse("cannot be written");
  }
}

CountRun CountRun::Writer::finish() {
  if (std::fflush(file_.get()) != 0) refuse("cannot be written");
  return CountRun(std::move(file_));
}

CountRun::Reader::Reader(const CountRun& run) : file_(run.file_.get()) {}

bool CountRun::Reader::fill() {
  buffer_.erase(0, used_);
  used_ = 0;
  const size_t held = buffer_.size();
  buffer_.resize(held + kBuffer);
  ssize_t got = 0;
  do {
    got = pread(fileno(file_), buffer_.data() + held, kBuffer, static_cast<off_t>(at_));
  } while (got < 0 && errno == EINTR);
  if (got < 0) refuse("cannot be read");
  buffer_.resize(held + static_cast<size_t>(got));
  at_ += static_cast<uint64_t>(got);
  return got > 0;
}

bool CountRun::Reader::next() {
  Head head{};
  while (buffer_.size() - used_ < sizeof head) {
    if (!fill()) return false;
  }
  std::memcpy(&head, buffer_.data() + used_, sizeof head);
  used_ += sizeof head;
  while (buffer_.size() - used_ < head.size) {
    if (!fill()) refuse("ends too early");
  }
  word_.assign(buffer_, used_, head.size);
  used_ += head.size;
  count_ = head.count;
  return true;
}

}  // namespace tessera
