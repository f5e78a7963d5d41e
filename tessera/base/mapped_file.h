// A file seen as bytes in memory, without reading it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

class MappedFile {
 public:
  MappedFile() = default;
  // Maps `path` for reading. An empty file gives empty bytes. Throws Error: no such file, a
  // directory, no permission. The file must not be shortened by others while it is mapped.
  explicit MappedFile(std::string path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // Lives as long as this object.
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::string& path() const { return path_; }

  // Tells the kernel that the pages of `part` (a part of bytes()) will not be read again soon, so
  // that they stop counting as resident. They can still be read.
  void drop(std::span<const std::byte> part) const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tessera
