#include "tessera/network/past_file.h"

#include <array>
#include <bit>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "tessera/base/atomic_file.h"
#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/base/mapped_file.h"
#include "tessera/files/weights_hash.h"
#include "tessera/kernels/kernels.h"
#include "tessera/network/engine.h"

namespace tessera {
namespace {

static_assert(std::endian::native == std::endian::little, "the file's numbers are little-endian");

constexpr std::string_view kMagic = "tessera past 1\n";
constexpr std::array<const char*, 4> kNames = {"model", "tokenizer", "context policy", "engine"};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Writes and hashes what it writes.
class Writer {
 public:
  explicit Writer(const std::string& path) : file_(path) {}
  void bytes(std::span<const std::byte> b) {
    hash_.add(text_of(b));
    file_.write(b);
  }
  template <class T>
  void number(T n) {
    bytes(std::as_bytes(std::span(&n, 1)));
  }
  void text(std::string_view s) {
    number(static_cast<uint32_t>(s.size()));
    bytes(std::as_bytes(std::span(s)));
  }
  void commit() {
    const uint64_t hash = hash_.value();
    file_.write(std::as_bytes(std::span(&hash, 1)));
    file_.commit();
  }

 private:
  AtomicFile file_;
  Hash64 hash_;
};

class Reader {
 public:
  Reader(const std::string& path, std::span<const std::byte> bytes) : path_(path), rest_(bytes) {}

  Error damaged(const std::string& what) const {
    return Error(path_, "is no whole cache file: " + what,
                 "Name another file, or delete this one.");
  }
  std::span<const std::byte> take(uint64_t n) {
    if (n > rest_.size()) throw damaged("it ends too early");
    const auto out = rest_.first(static_cast<size_t>(n));
    rest_ = rest_.subspan(static_cast<size_t>(n));
    return out;
  }
  template <class T>
  T number() {
    T n;
    std::memcpy(&n, take(sizeof n).data(), sizeof n);
    return n;
  }
  std::string_view text() { return text_of(take(number<uint32_t>())); }
  size_t left() const { return rest_.size(); }

 private:
  const std::string& path_;
  std::span<const std::byte> rest_;
};

std::array<std::string_view, 4> parts(const PastOrigin& o) {
  return {o.model, o.tokenizer, o.policy, o.engine};
}

// How keys were rotated; "" where they are not.
std::string angles_of(const ModelDescription& d) {
  if (d.position != PositionKind::rope || d.layer.empty()) return "";
  return fmt::format(", angles of base {:g}, scaling {} by {:g}", d.layer.back().rope_theta,
                     static_cast<int>(d.rope_scaling.kind), d.rope_scaling.factor);
}

}  // namespace

PastOrigin past_origin(const ModelFiles& model, const Tokenizer& tokenizer,
                       const std::string& policy, const Network& network) {
  Hash64 pieces;
  const Vocabulary& v = tokenizer.vocabulary();
  for (int64_t id = 0; id < v.size(); ++id) {
    const std::string_view piece = v.piece(static_cast<TokenId>(id));
    pieces.add(static_cast<uint64_t>(piece.size()));
    pieces.add(piece);
    pieces.add(static_cast<uint64_t>(v.role(static_cast<TokenId>(id))));
  }
  return {weights_hash(model.tensors), hash_text(pieces.value()), policy,
          fmt::format("{}, {}, texts of {}{}", kernels().name, engine_text(network),
                      network.description().context, angles_of(network.description()))};
}

void save_past(const std::string& path, const PastOrigin& origin, const Network& network,
               const std::vector<int32_t>& ids, const Past& past) {
  Writer out(path);
  out.bytes(std::as_bytes(std::span(kMagic)));
  for (const std::string_view part : parts(origin)) out.text(part);
  out.number(static_cast<uint64_t>(ids.size()));
  out.bytes(std::as_bytes(std::span(ids)));
  uint64_t size = 0;
  network.write_past(past, [&](std::span<const std::byte> b) { size += b.size(); });
  out.number(size);
  network.write_past(past, [&](std::span<const std::byte> b) { out.bytes(b); });
  out.commit();
}

KeptPast load_past(const std::string& path, const PastOrigin& origin, Network& network) {
  const MappedFile file(path);
  const std::span<const std::byte> all = file.bytes();
  Reader in(path, all);
  if (all.size() < kMagic.size() + sizeof(uint64_t) || text_of(in.take(kMagic.size())) != kMagic) {
    throw in.damaged("it does not begin as one");
  }
  const auto body = all.first(all.size() - sizeof(uint64_t));
  uint64_t hash = 0;
  std::memcpy(&hash, all.data() + body.size(), sizeof hash);
  if (hash != hash_of(text_of(body))) throw in.damaged("its hash is not that of its content");
  const auto wanted = parts(origin);
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::string_view found = in.text();
    if (found == wanted[i]) continue;
    throw Error(path,
                fmt::format("was made with another {}: {}, this run has {}", kNames[i],
                            std::string(found), std::string(wanted[i])),
                "Name another file, or delete this one.");
  }
  KeptPast out;
  const auto count = in.number<uint64_t>();
  if (count > in.left() / sizeof(int32_t)) throw in.damaged("it ends within its ids");
  out.ids.resize(static_cast<size_t>(count));
  const auto ids = in.take(count * sizeof(int32_t));
  if (count > 0) std::memcpy(out.ids.data(), ids.data(), ids.size());
  const auto size = in.number<uint64_t>();
  if (in.left() != size + sizeof(uint64_t)) throw in.damaged("its size is not what it says");
  try {
    out.past = network.read_past(in.take(size), origin.policy);
  } catch (const Error& error) {
    throw in.damaged(error.what());
  }
  if (out.past->length() != static_cast<int64_t>(count)) {
    throw in.damaged(fmt::format("{} ids for {} positions", count, out.past->length()));
  }
  return out;
}

}  // namespace tessera
