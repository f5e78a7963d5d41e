#include "tessera/tokenizer/corpus_shards.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/base/hash.h"
#include "tessera/base/mapped_file.h"
#include "tessera/text/duplicates.h"
#include "tessera/tokenizer/encode_queue.h"
#include "tessera/tokenizer/seams.h"
#include "tessera/tokenizer/shards.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kBatch = 1 << 20;  // bytes that are encoded together
constexpr size_t kBatchParts = 1 << 14;
// Bytes of a document from which on it is cut; one that may be a duplicate stays whole longer.
constexpr size_t kPart = size_t{2} << 20, kSignedPart = size_t{16} << 20;
constexpr size_t kLongestUncut = size_t{256} << 20;  // bytes without a place to cut
constexpr uint64_t kShardDocuments = 1 << 20;        // that a shard holds at most
constexpr const char* kOtherFolder =
    "Name another folder, or remove this one to start from the beginning.";

// What a folder is made from, and what must be the same when the work goes on.
Json plan_of(const Tokenizer& tokenizer, const CorpusShardOptions& options,
             const DuplicateFilter* filter) {
  const int64_t size = tokenizer.vocabulary().size();
  Json plan;
  plan["format"] = "tessera-shards";
  plan["version"] = kShardVersion;
  plan["vocabulary"] = hash_text(vocabulary_hash(tokenizer));
  plan["vocabulary_size"] = size;
  plan["id_bytes"] = size <= 65536 ? 2 : 4;
  plan["template"] = options.add_template;
  plan["special_in_text"] = options.special_in_text;
  plan["lines"] = options.shape.lines;
  plan["field"] = options.shape.field;
  plan["shard_tokens"] = options.shard_tokens;
  plan["dedup"] = filter ? filter->text() : "";
  return plan;
}

class Folder {
 public:
  Folder(std::string path, Json plan) : path_(std::move(path)), plan_(std::move(plan)) {
    std::error_code error;
    fs::create_directories(path_, error);
    if (error) throw Error(path_, error.message(), "Name a folder that can be made.");
    remove_partial_files();
    if (!fs::exists(file("manifest.json"))) {
      if (fs::exists(file(shard_name(0)))) {
        throw Error(path_, "holds shards but no manifest.json", kOtherFolder);
      }
      Json begun = plan_;
      begun["complete"] = false;
      write_file(file("manifest.json"), begun.dump(1) + "\n");
      return;
    }
    read_manifest();
    while (fs::exists(file(shard_name(shards_.size())))) {
      shards_.push_back(Shard(file(shard_name(shards_.size()))).facts());
    }
  }

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::vector<ShardFacts>& shards() const { return shards_; }
  const Json& plan() const { return plan_; }
  // What the manifest of a finished run says.
  const Json* finished() const { return finished_.get(); }

 private:
  // What a killed run was writing.
  void remove_partial_files() const {
    std::error_code error;
    std::vector<fs::path> partial;
    for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
      if (it->path().filename().string().find(".partial-") != std::string::npos) {
        partial.push_back(it->path());
      }
    }
    for (const fs::path& p : partial) fs::remove(p, error);
  }

  void read_manifest() {
    const MappedFile mapped(file("manifest.json"));
    const auto found = Json::parse(mapped.text(), nullptr, false);
    if (!found.is_object()) {
      throw Error(file("manifest.json"), "is not a JSON object", kOtherFolder);
    }
    for (const auto& [key, wanted] : plan_.items()) {
      if (found.contains(key) && found[key] == wanted) continue;
      throw Error(file("manifest.json"),
                  "the shards were made with \"" + key +
                      "\": " + (found.contains(key) ? found[key].dump() : "nothing") + ", not " +
                      wanted.dump(),
                  kOtherFolder);
    }
    if (found.contains("complete") && found["complete"] == true)
      finished_ = std::make_unique<const Json>(found);
  }

  std::string path_;
  Json plan_;
  std::vector<ShardFacts> shards_;
  std::unique_ptr<const Json> finished_;
};

// Gives the documents of a source as parts in batches, and hashes them on the way.
class DocumentReader {
 public:
  using Send = std::function<void(std::unique_ptr<CorpusBatch>)>;
  // The documents of the folder's shards are not encoded again.
  DocumentReader(const Tokenizer& tokenizer, const Folder& folder, bool sign, Send send)
      : tokenizer_(tokenizer),
        folder_(folder),
        shards_(folder.shards()),
        sign_(sign),
        part_(sign ? kSignedPart : kPart),
        send_(std::move(send)) {}

  void take(std::string_view bytes, bool last) {
    hash_.add(bytes);
    length_ += bytes.size();
    bytes_ += static_cast<int64_t>(bytes.size());
    text_ += bytes;
    while (cut()) {
    }
    if (last) end_document();
  }
  void finish() {
    if (!batch_->parts.empty()) send_(std::exchange(batch_, std::make_unique<CorpusBatch>()));
  }
  uint64_t read() const { return read_; }
  int64_t bytes() const { return bytes_; }
  uint64_t hash() const { return hash_.value(); }

 private:
  // Sends the open document's text up to a seam; false when more of it has to come first.
  bool cut() {
    if (text_.size() - begin_ <= wanted_ + kBehind) return false;
    const size_t seam = last_seam(tokenizer_, text_, begin_, begin_ + wanted_, wanted_);
    if (seam == begin_) {
      if (wanted_ >= kLongestUncut) {
        throw Error("document " + std::to_string(read_),
                    "256 MiB of its text have no place where it can be cut",
                    "Read the file by lines.");
      }
      wanted_ *= 2;
      return true;
    }
    send_part(seam, {.first = first_, .last = false});
    begin_ = seam;
    wanted_ = part_;
    // The character in front of the next part stays.
    if (begin_ > text_.size() / 2) {
      text_.erase(0, begin_ - kBehind);
      begin_ = kBehind;
    }
    return true;
  }

  void end_document() {
    hash_.add(length_);
    const uint64_t input = hash_.value();
    for (; checked_ < shards_.size() && shards_[checked_].read == read_ + 1; ++checked_) {
      if (shards_[checked_].input == input) continue;
      throw Error(folder_.file(shard_name(checked_)), "was made from other input than this one",
                  kOtherFolder);
    }
    send_part(text_.size(),
              {.first = first_, .last = true, .sign = sign_ && first_, .input = input});
    ++read_;
    text_.clear();
    begin_ = 0;
    length_ = 0;
    wanted_ = part_;
    first_ = true;
  }

  void send_part(size_t end, CorpusPart part) {
    part.document = read_;
    part.encode = shards_.empty() || read_ >= shards_.back().read;
    first_ = false;
    if (!part.encode && !part.sign) return;
    const std::string_view text = text_;
    if (batch_->text.size() + (end - begin_) > kBatch || batch_->parts.size() >= kBatchParts) {
      finish();
    }
    part.front = batch_->text.size();
    if (!part.first) batch_->text += last_character(text.substr(0, begin_));
    part.begin = batch_->text.size();
    batch_->text += text.substr(begin_, end - begin_);
    part.end = batch_->text.size();
    batch_->parts.push_back(part);
  }

  static constexpr size_t kBehind = 64;  // bytes, more than a character, kept around a cut

  const Tokenizer& tokenizer_;
  const Folder& folder_;
  const std::vector<ShardFacts>& shards_;
  bool sign_;
  size_t part_;
  Send send_;
  std::unique_ptr<CorpusBatch> batch_ = std::make_unique<CorpusBatch>();
  std::string text_;  // the end of the open document
  size_t begin_ = 0;  // where the part begins that is to be sent next
  size_t wanted_ = part_;
  bool first_ = true;  // nothing of the document has been sent
  Hash64 hash_;
  uint64_t length_ = 0, read_ = 0;
  int64_t bytes_ = 0;
  size_t checked_ = 0;
};

// Takes encoded batches in order and writes what is not a duplicate.
class FolderWriter {
 public:
  FolderWriter(const Tokenizer& tokenizer, const Folder& folder, const CorpusShardOptions& options,
               DuplicateFilter* filter)
      : folder_(folder),
        filter_(filter),
        shard_tokens_(static_cast<uint64_t>(options.shard_tokens)),
        id_bytes_(folder.plan()["id_bytes"].get<uint32_t>()),
        vocabulary_(vocabulary_hash(tokenizer)),
        shards_(folder.shards()) {
    if (filter_) removed_file_ = std::make_unique<AtomicFile>(folder.file("removed.jsonl"));
    if (!options.add_template) return;
    const Encoding one = tokenizer.encode("a", {.add_template = true});
    bool before = true;
    for (size_t i = 0; i < one.ids.size(); ++i) {
      const bool frame = one.origins[i] == TokenOrigin::template_text;
      before = before && frame;
      if (frame) (before ? before_ : after_).push_back(one.ids[i]);
    }
  }

  void take(CorpusBatch& batch) {
    for (size_t i = 0; i < batch.parts.size(); ++i) {
      const CorpusPart& part = batch.parts[i];
      const size_t begin = i == 0 ? 0 : batch.ends[i - 1];
      const bool removed = part.sign && is_duplicate(batch.signs[i], part.document);
      if (part.encode && !removed) {
        write(part, batch.ids.ids().subspan(begin, batch.ends[i] - begin));
      }
      if (!part.last) continue;
      read_ = part.document + 1;
      input_ = part.input;
      if (part.encode && shard_ && full(shard_->tokens(), shard_->documents())) close_shard();
    }
  }

  CorpusShardFacts finish(const DocumentReader& input) {
    read_ = input.read();
    input_ = input.hash();
    if (shard_) close_shard();
    if (!shards_.empty() && shards_.back().read > read_) {
      throw Error(folder_.file(shard_name(shards_.size() - 1)),
                  "was made from more input than there is", kOtherFolder);
    }
    CorpusShardFacts out;
    Json manifest = folder_.plan();
    manifest["complete"] = true;
    manifest["input"] = {
        {"documents", read_}, {"bytes", input.bytes()}, {"hash", hash_text(input_)}};
    Json list = Json::array();
    for (const ShardFacts& s : shards_) {
      out.documents += static_cast<int64_t>(s.documents);
      out.tokens += static_cast<int64_t>(s.tokens);
      list.push_back(
          {{"file", shard_name(list.size())}, {"documents", s.documents}, {"tokens", s.tokens}});
    }
    manifest["documents"] = out.documents;
    manifest["tokens"] = out.tokens;
    out.read = static_cast<int64_t>(read_);
    out.removed = out.read - out.documents;
    manifest["removed"] = out.removed;
    manifest["shards"] = std::move(list);
    out.bytes = input.bytes();
    out.shards = static_cast<int64_t>(shards_.size());
    if (folder_.finished() && *folder_.finished() != manifest) {
      throw Error(folder_.file("manifest.json"), "the shards were made from other input",
                  kOtherFolder);
    }
    if (removed_file_) removed_file_->commit();
    if (!folder_.finished()) write_file(folder_.file("manifest.json"), manifest.dump(1) + "\n");
    return out;
  }

 private:
  bool full(uint64_t tokens, uint64_t documents) const {
    return tokens >= shard_tokens_ || documents >= kShardDocuments;
  }

  bool is_duplicate(const DocumentSign& sign, uint64_t document) {
    const auto duplicate = filter_->add(sign, document);
    if (!duplicate) return false;
    const Json line = {{"document", document},
                       {"duplicate_of", duplicate->of},
                       {"similarity", duplicate->similarity}};
    removed_file_->write(line.dump() + "\n");
    return true;
  }

  void write(const CorpusPart& part, std::span<const TokenId> ids) {
    if (!shard_) {
      if (folder_.finished() || (!shards_.empty() && shards_.size() == folder_.shards().size() &&
                                 !full(shards_.back().tokens, shards_.back().documents))) {
        throw Error(folder_.file(shard_name(shards_.size() - 1)),
                    "ends with the input it was made from, and now there is more", kOtherFolder);
      }
      shard_ = std::make_unique<ShardWriter>(folder_.file(shard_name(shards_.size())), id_bytes_);
    }
    if (part.first) shard_->add(before_);
    shard_->add(ids);
    if (!part.last) return;
    shard_->add(after_);
    shard_->end_document();
  }

  void close_shard() {
    ShardFacts facts;
    facts.read = read_;
    facts.input = input_;
    facts.vocabulary = vocabulary_;
    shards_.push_back(shard_->commit(facts));
    shard_.reset();
  }

  const Folder& folder_;
  DuplicateFilter* filter_;
  uint64_t shard_tokens_;
  uint32_t id_bytes_;
  uint64_t vocabulary_;
  std::vector<ShardFacts> shards_;
  std::unique_ptr<AtomicFile> removed_file_;
  std::unique_ptr<ShardWriter> shard_;
  std::vector<TokenId> before_, after_;  // the template's
  uint64_t read_ = 0, input_ = 0;
};

}  // namespace

uint64_t vocabulary_hash(const Tokenizer& tokenizer) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  Hash64 hash;
  std::string all;
  const auto add = [&hash](std::string_view text) {
    hash.add(uint64_t{text.size()});
    hash.add(text);
  };
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    add(vocabulary.piece(id));
    add(vocabulary.bytes(id));
    hash.add(static_cast<uint64_t>(vocabulary.role(id)));
    all += vocabulary.bytes(id);
    if (id % 7 == 0) all += ' ';
  }
  IdBuffer ids;
  tokenizer.encode_ids(all, {}, ids);
  hash.add(std::string_view(reinterpret_cast<const char*>(ids.ids().data()),
                            ids.size() * sizeof(TokenId)));
  return hash.value();
}

CorpusShardFacts write_corpus_shards(const Tokenizer& tokenizer, const std::string& source,
                                     const std::string& folder_path,
                                     const CorpusShardOptions& options) {
  const auto filter = make_duplicate_filter(options.dedup);
  const Folder folder(folder_path, plan_of(tokenizer, options, filter.get()));
  EncodeOptions encode;
  encode.add_template = false;
  encode.special_in_text = options.special_in_text;
  EncodeQueue queue(tokenizer, encode, filter.get(), options.threads);
  FolderWriter writer(tokenizer, folder, options, filter.get());
  const auto sink = [&](CorpusBatch& batch) { writer.take(batch); };
  DocumentReader reader(
      tokenizer, folder, filter != nullptr,
      [&](std::unique_ptr<CorpusBatch> batch) { queue.push(std::move(batch), sink); });
  read_corpus_parts(source, options.shape, [&](std::string_view part, bool last) {
    if (options.advance) options.advance(static_cast<int64_t>(part.size()));
    reader.take(part, last);
  });
  reader.finish();
  queue.finish(sink);
  CorpusShardFacts out = writer.finish(reader);
  out.kept_shards = static_cast<int64_t>(folder.shards().size());
  return out;
}

}  // namespace tessera
