#include "tessera/base/mapped_file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tessera/base/error.h"

namespace tessera {

MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Error(path_, std::strerror(errno), "Check the path and its permissions.");
  struct stat info{};
  // An empty file gives an empty view, but not a null one, which some readers may not be handed.
  static constexpr std::byte kNothing{};
  data_ = &kNothing;
  int failed = fstat(fd, &info);
  int reason = errno;
  if (!failed && !S_ISREG(info.st_mode)) {
    close(fd);
    throw Error(path_, S_ISDIR(info.st_mode) ? "is a directory" : "is not a regular file",
                "Name a file.");
  }
  if (!failed && info.st_size > 0) {
    void* at = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    reason = errno;
    failed = at == MAP_FAILED;
    if (!failed) {
      data_ = static_cast<const std::byte*>(at);
      size_ = static_cast<size_t>(info.st_size);
    }
  }
  close(fd);
  if (failed) throw Error(path_, std::string("cannot be mapped: ") + std::strerror(reason));
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (size_ > 0) munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::drop(std::span<const std::byte> part) const {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  auto begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  auto end = (reinterpret_cast<uintptr_t>(part.data()) + part.size()) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace tessera
