#include "tessera/text/corpus.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "tessera/base/error.h"

namespace tessera {
namespace {

constexpr size_t kChunk = 1 << 18;

using ChunkSink = std::function<void(std::string_view)>;

// Takes the stored bytes in chunks and gives the unpacked ones.
class Unpacker {
 public:
  virtual ~Unpacker() = default;
  virtual void take(std::string_view bytes, const ChunkSink& sink) = 0;
  // Whether the stream may end here.
  virtual bool complete() const { return true; }
};

class Plain : public Unpacker {
 public:
  void take(std::string_view bytes, const ChunkSink& sink) override { sink(bytes); }
};

class Gzip : public Unpacker {
 public:
  explicit Gzip(std::string name) : name_(std::move(name)), out_(kChunk, '\0') {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw Error(name_, "zlib has no memory");
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
  ~Gzip() override { inflateEnd(&stream_); }
  void take(std::string_view bytes, const ChunkSink& sink) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      // A file may be several streams one after another.
      if (complete_ && stream_.avail_in > 0) inflateReset(&stream_);
      stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
      stream_.avail_out = static_cast<uInt>(out_.size());
      int result = inflate(&stream_, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        throw Error(name_, "is damaged gzip data", "Get the file again.");
      }
      complete_ = result == Z_STREAM_END;
      sink(std::string_view(out_).substr(0, out_.size() - stream_.avail_out));
    } while (stream_.avail_in > 0 || stream_.avail_out == 0);
  }
  bool complete() const override { return complete_; }

 private:
  std::string name_, out_;
  z_stream stream_{};
  bool complete_ = false;
};

class Zstd : public Unpacker {
 public:
  explicit Zstd(std::string name)
      : name_(std::move(name)),
        out_(kChunk, '\0'),
        stream_(ZSTD_createDStream(), ZSTD_freeDStream) {
    if (!stream_) throw Error(name_, "zstd has no memory");
  }
  void take(std::string_view bytes, const ChunkSink& sink) override {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool full = false;
    while (in.pos < in.size || full) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      size_t left = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(left)) {
        throw Error(name_, std::string("is damaged zstd data: ") + ZSTD_getErrorName(left),
                    "Get the file again.");
      }
      complete_ = left == 0;
      full = out.pos == out.size && !complete_;
      sink(std::string_view(out_).substr(0, out.pos));
    }
  }
  bool complete() const override { return complete_; }

 private:
  std::string name_, out_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  bool complete_ = false;
};

std::unique_ptr<Unpacker> unpacker_for(std::string_view start, const std::string& name) {
  if (start.starts_with("\x1F\x8B")) return std::make_unique<Gzip>(name);
  if (start.starts_with("\x28\xB5\x2F\xFD")) return std::make_unique<Zstd>(name);
  return std::make_unique<Plain>();
}

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : owned_(path != "-") {
    fd_ = owned_ ? open(path.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (fd_ < 0) throw Error(path, std::strerror(errno), "Check the path and its permissions.");
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (owned_) close(fd_);
  }
  // Fills `buffer` as far as there is data; 0 at the end.
  size_t read_some(std::string& buffer, const std::string& name) const {
    size_t got = 0;
    while (got < buffer.size()) {
      ssize_t n = ::read(fd_, buffer.data() + got, buffer.size() - got);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EISDIR) throw Error(name, "is a folder", "Name a file.");
      if (n < 0) throw Error(name, std::strerror(errno));
      if (n == 0) break;
      got += static_cast<size_t>(n);
    }
    return got;
  }

 private:
  bool owned_;
  int fd_;
};

std::string name_of(const std::string& path) { return path == "-" ? "standard input" : path; }

// The unpacked bytes of one file, in chunks.
void read_chunks(const std::string& path, const ChunkSink& sink) {
  const std::string name = name_of(path);
  Descriptor file(path);
  std::string buffer(kChunk, '\0');
  std::unique_ptr<Unpacker> unpacker;
  while (size_t got = file.read_some(buffer, name)) {
    std::string_view bytes = std::string_view(buffer).substr(0, got);
    if (!unpacker) unpacker = unpacker_for(bytes, name);
    unpacker->take(bytes, sink);
  }
  if (unpacker && !unpacker->complete()) {
    throw Error(name, "ends in the middle of its packed data", "Get the file again.");
  }
}

// The files that a source stands for, one after another in the order of their names.
void each_file(const std::string& source, const std::function<void(const std::string&)>& visit) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (source == "-" || !fs::is_directory(source, error)) return visit(source);
  std::vector<std::string> names;
  for (fs::directory_iterator it(source, error), end; !error && it != end; it.increment(error)) {
    if (!it->path().filename().string().starts_with('.')) names.push_back(it->path().string());
  }
  if (error) throw Error(source, error.message(), "Check the folder and its permissions.");
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    // A link to a folder could lead in a circle.
    if (fs::is_directory(name, error)) {
      if (!fs::is_symlink(name, error)) each_file(name, visit);
    } else if (fs::is_regular_file(name, error)) {
      visit(name);
    }
  }
}

void append_bounded(std::string& text, std::string_view part, const std::string& name) {
  if (text.size() + part.size() > kLongestText) {
    throw Error(name, "holds a text of more than 4 GiB", "Cut it, or read it by lines.");
  }
  text.append(part);
}

void lines_of_file(const std::string& path, const TextSink& sink) {
  std::string rest;
  read_chunks(path, [&](std::string_view chunk) {
    size_t begin = 0;
    for (size_t end; (end = chunk.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
      std::string_view line = chunk.substr(begin, end - begin);
      if (!rest.empty()) {
        append_bounded(rest, line, name_of(path));
        line = rest;
      }
      if (line.ends_with('\r')) line.remove_suffix(1);
      sink(line);
      rest.clear();
    }
    append_bounded(rest, chunk.substr(begin), name_of(path));
  });
  if (!rest.empty()) sink(rest);
}

void texts_of_jsonl(const std::string& path, const std::string& field, const TextSink& sink) {
  simdjson::dom::parser parser;
  size_t number = 0;
  lines_of_file(path, [&](std::string_view line) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    std::string place = name_of(path) + ": line " + std::to_string(number);
    simdjson::dom::element top;
    simdjson::dom::object object;
    std::string_view text;
    if (auto error = parser.parse(line.data(), line.size()).get(top)) {
      throw Error(place, std::string("is not JSON: ") + simdjson::error_message(error));
    }
    if (top.get(object)) throw Error(place, "is not a JSON object");
    if (object.at_key(field).get(text)) {
      throw Error(place, "has no string member \"" + field + "\"",
                  "Name the field that holds the text.");
    }
    sink(text);
  });
}

bool named_jsonl(std::string_view path) {
  for (std::string_view packed : {".gz", ".zst"}) {
    if (path.ends_with(packed)) path.remove_suffix(packed.size());
  }
  return path.ends_with(".jsonl") || path.ends_with(".ndjson");
}

}  // namespace

std::string read_text(const std::string& source) {
  std::string text;
  read_chunks(source,
              [&](std::string_view chunk) { append_bounded(text, chunk, name_of(source)); });
  return text;
}

void read_files(const std::string& source, const TextSink& sink) {
  each_file(source, [&](const std::string& path) { sink(read_text(path)); });
}

void read_lines(const std::string& source, const TextSink& sink) {
  each_file(source, [&](const std::string& path) { lines_of_file(path, sink); });
}

void read_jsonl(const std::string& source, const std::string& field, const TextSink& sink) {
  each_file(source, [&](const std::string& path) { texts_of_jsonl(path, field, sink); });
}

void read_corpus(const std::string& source, const std::string& field, const TextSink& sink) {
  each_file(source, [&](const std::string& path) {
    named_jsonl(path) ? texts_of_jsonl(path, field, sink) : sink(read_text(path));
  });
}

void each_line(std::string_view text, const TextSink& sink) {
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    sink(line);
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace tessera
