#include "tessera/network/engine.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/files/weights_hash.h"
#include "tessera/network/plan.h"
#include "tessera/network/selection_trace.h"

namespace tessera {
namespace {

// Results are delivered in portions, so that scratch for logits stays small.
constexpr int64_t kWantedRows = 4 * kTileTokens;

// What the policies of all pasts of a network hold; pasts may outlive it.
using PolicyBytes = std::atomic<int64_t>;

class EnginePast final : public Past {
 public:
  EnginePast(std::shared_ptr<KvPool> pool, std::unique_ptr<ContextPolicy> chooser,
             std::shared_ptr<PolicyBytes> bytes)
      : store(std::move(pool)), policy(std::move(chooser)), policies(std::move(bytes)) {}
  EnginePast(const EnginePast& other)
      : Past(),
        store(other.store),
        policy(other.policy->clone()),
        policies(other.policies),
        counted(other.counted),
        of_prompt(other.of_prompt),
        prompt(other.prompt),
        dropped(other.dropped),
        next_position(other.next_position) {
    count_policy();
  }
  ~EnginePast() override { *policies -= of_policy; }
  EnginePast& operator=(const EnginePast&) = delete;

  // After whatever lets the policy hold more or less.
  void count_policy() {
    if (!policy->chooses()) return;
    const int64_t bytes = policy->counters().bytes;
    *policies += bytes - of_policy;
    of_policy = bytes;
  }

  int64_t length() const override { return store.entries() + dropped; }
  void announce(int64_t tokens) override {
    prompt = tokens;
    policy->announce(tokens);
  }
  std::unique_ptr<Past> fork() const override { return std::make_unique<EnginePast>(*this); }
  bool can_truncate() const override {
    return store.evicted() == 0 && dropped == 0 && !policy->chooses();
  }

  void truncate(int64_t length) override {
    if (!can_truncate()) {
      throw Error("past",
                  "cannot go back: its policy has evicted " +
                      std::to_string(store.evicted() + dropped) +
                      " tokens for good, or keeps lists of what was chosen",
                  "Start again from the beginning, or use --context full.");
    }
    next_position -= store.entries() - length;
    store.truncate(length);
  }

  bool keeps_everything() const override {
    std::vector<Run> runs;
    policy->evict(int64_t{1} << 40, runs);
    return runs.empty() && can_truncate();
  }

  PastCounters counters() const override {
    PastCounters c = counted;
    const KvShape& s = store.shape();
    const PolicyCounters p = policy->counters();
    c.tokens_seen = length();
    c.entries_resident = store.resident() * s.layers * s.kv_heads;
    c.entries_freed = (store.evicted() + dropped) * s.layers * s.kv_heads;
    c.bytes_freed = c.entries_freed * 2 * s.padded() * cache_bytes(s.type);
    c.bytes_resident = store.bytes();
    c.bytes_policy = p.bytes;
    c.selections = p.selections;
    c.reuses = p.reuses;
    c.decoded_keys_read = c.keys_read - of_prompt.keys_read;
    c.decoded_full_steps = c.full_steps - of_prompt.full_steps;
    c.decoded_steps = c.steps - of_prompt.steps;
    return c;
  }

  KvStore store;
  std::unique_ptr<ContextPolicy> policy;
  std::shared_ptr<PolicyBytes> policies;
  int64_t of_policy = 0;  // this past's part of them
  PastCounters counted;
  PastCounters of_prompt;     // the same when the announced prompt had been read
  int64_t prompt = 0;         // tokens that were announced
  int64_t dropped = 0;        // tokens that a policy has taken out of every layer and head
  int64_t next_position = 0;  // of the next entry, unless its segment brings its own
};

CacheType cache_type(CacheChoice choice, bool whole) {
  switch (choice) {
    case CacheChoice::f32:
      return CacheType::f32;
    case CacheChoice::f16:
      return CacheType::f16;
    case CacheChoice::bf16:
      return CacheType::bf16;
    case CacheChoice::q8:
      return CacheType::q8;
    case CacheChoice::automatic:
      break;
  }
  return whole ? CacheType::f32 : CacheType::f16;
}

ModelDescription served(const ModelFiles& model, int64_t context) {
  ModelDescription d = model.description;
  if (context > d.context) {
    throw Error(model.path,
                "was trained for texts of up to " + std::to_string(d.context) + " tokens, not " +
                    std::to_string(context),
                "Give at most --ctx " + std::to_string(d.context) +
                    ", or name a policy that serves longer texts (`tessera list context`).");
  }
  d.rope_scaling.long_texts = context > d.rope_scaling.original_context;
  return d;
}

// The longest text, given what EngineOptions::context asks for.
int64_t served_context(const ModelDescription& d, int64_t asked) {
  if (asked > 0) return asked;
  return d.rope_scaling.kind == ScalingKind::longrope
             ? std::min(d.context, d.rope_scaling.original_context)
             : d.context;
}

class Engine final : public Network {
 public:
  Engine(const ModelFiles& model, const EngineOptions& options)
      : description_(served(model, options.context)),
        checkpoint_(model.checkpoint),
        tensors_(model.tensors),
        options_(options),
        plan_(description_, *model.checkpoint, options.activations),
        table_(model.checkpoint->weight({Part::token_embedding})) {
    // Only now: the plan's angles stand on the trained window.
    description_.context = served_context(description_, options.context);
    trained_context_ = model.description.context;
    shape_.layers = description_.decoder ? description_.layers : 1;
    shape_.kv_heads = description_.kv_heads;
    shape_.head_width = description_.head_width;
    shape_.type = cache_type(options.cache, table_.type == DType::f32 || !description_.decoder);
    pool_ = std::make_shared<KvPool>(shape_);
    geometry_ = {description_.layers,
                 description_.heads,
                 description_.kv_heads,
                 description_.head_width,
                 description_.context,
                 true,
                 false,
                 [this] {
                   std::call_once(hashed_, [this] { weights_ = weights_hash(tensors_); });
                   return weights_;
                 }};
    for (const LayerDescription& l : description_.layer) {
      geometry_.rotary =
          geometry_.rotary && description_.position == PositionKind::rope && l.rotary;
      geometry_.windowed = geometry_.windowed || l.window > 0;
    }
  }

  const ModelDescription& description() const override { return description_; }
  int64_t trained_context() const override { return trained_context_; }

  std::unique_ptr<Past> new_past(const std::string& policy) override {
    return std::make_unique<EnginePast>(pool_, attached(policy), policies_);
  }

  int64_t cache_bytes() const override {
    return pool_->taken() * 2 * shape_.half_bytes() + *policies_;
  }

  // The policy itself says what it lets go of: a past is played through in steps.
  int64_t cache_bytes_for(const std::string& policy, int64_t tokens, int64_t step) const override {
    const auto guest = attached(policy);
    const auto blocks = [](int64_t entries) { return (entries + kBlockKeys - 1) / kBlockKeys; };
    std::vector<Run> runs;
    guest->evict(tokens, runs);
    int64_t freed = 0;
    for (const Run& r : runs) freed += std::max<int64_t>(0, r.end / kBlockKeys - blocks(r.begin));
    if (freed > 0) freed = std::max<int64_t>(0, freed - blocks(step));
    return (blocks(tokens) - freed) * shape_.layers * shape_.kv_heads * 2 * shape_.half_bytes() +
           guest->bytes_for(tokens);
  }

  void write_past(const Past& past, const ByteSink& sink) const override {
    const auto& p = static_cast<const EnginePast&>(past);
    if (p.policy->chooses()) {
      throw Error("past", "its policy keeps lists of what it chose, which no file holds",
                  "Use --context full or streaming with --cache.");
    }
    const std::array<int64_t, 1> head = {p.next_position};
    sink(std::as_bytes(std::span(head)));
    p.store.write_to(sink);
  }

  std::unique_ptr<Past> read_past(std::span<const std::byte> bytes,
                                  const std::string& policy) override {
    auto past = std::make_unique<EnginePast>(pool_, attached(policy), policies_);
    if (bytes.size() < sizeof(int64_t)) throw Error("past", "is too short", "Make it again.");
    std::memcpy(&past->next_position, bytes.data(), sizeof(int64_t));
    past->store.read_from(bytes.subspan(sizeof(int64_t)));
    // Tables of positions are made as long as a past says that it is.
    if (past->next_position != past->store.entries()) {
      throw Error("past",
                  fmt::format("ends at position {} with {} entries", past->next_position,
                              past->store.entries()),
                  "Make it again.");
    }
    return past;
  }

  void embed(std::span<const int32_t> ids, std::span<float> out) override {
    const int64_t width = description_.embedding_width;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= table_.rows) {
        throw Error("token " + std::to_string(i),
                    "id " + std::to_string(ids[i]) + " is outside the embedding table of " +
                        std::to_string(table_.rows) + " rows",
                    "The tokenizer does not belong to this model.");
      }
      std::span<float> row =
          out.subspan(i * static_cast<size_t>(width), static_cast<size_t>(width));
      read_row(table_, ids[i], row);
      if (!std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); })) {
        throw Error(table_.tensor, fmt::format("row {} holds a value that is not finite", ids[i]),
                    "The file is damaged, or its training diverged.");
      }
      if (description_.embedding_scale != 1) {
        for (float& x : row) x *= static_cast<float>(description_.embedding_scale);
      }
    }
  }

  void forward(std::span<const Segment> batch) override {
    check_segments(batch);
    // Encoders see both ways, so their segments cannot be cut; decoders run in chunks of rows.
    size_t first = 0;
    done_ = 0;
    if (profile_) profile_->open_pass();
    while (first < batch.size()) {
      first = gather_chunk(batch, first);
      run_chunk(batch);
    }
    if (profile_) profile_->close_pass();
  }

  void count_into(Profile* profile) {
    profile_ = profile;
    plan_.count_into(profile);
  }
  void observe_inputs(InputObserver* observer) { plan_.observe_inputs(observer); }
  NetworkFloor floor() const { return plan_.floor(); }
  void trace_into(SelectionSink* sink) { trace_ = sink; }

  void read_layer(Past& past, std::span<const float> vectors, int64_t layer,
                  const LayerSink& sink) override {
    check_shown(static_cast<EnginePast&>(past), layer);
    Segment s;
    s.past = &past;
    s.vectors = vectors;
    s.count = static_cast<int64_t>(vectors.size()) / description_.embedding_width;
    if (s.count == 0) return;
    const Shown shown(shown_layer_, shown_to_, layer, sink);
    forward({&s, 1});
  }

  std::string arithmetic() const {
    constexpr std::array<const char*, 4> caches = {"f32", "f16", "bf16", "q8"};
    constexpr std::array<const char*, 3> bits = {"8 or 15", "15", "8"};
    return fmt::format("{} cache, activations in {} bits", caches[static_cast<size_t>(shape_.type)],
                       bits[static_cast<size_t>(options_.activations)]);
  }

  EngineMemory memory() const {
    return {plan_.weight_bytes(), plan_.scratch_bytes(),
            description_.decoder
                ? 2 * shape_.layers * shape_.kv_heads * shape_.half_bytes() / kBlockKeys
                : 0};
  }

 private:
  std::unique_ptr<ContextPolicy> attached(const std::string& policy) const {
    auto guest = make_guest<ContextPolicy>(policy);
    if (trace_) guest = traced(std::move(guest), *trace_);
    guest->attach(geometry_);
    if (guest->chooses() && shape_.type == CacheType::q8) {
      throw Error("--context " + policy,
                  "compares with keys, which a cache of 8 bits does not give",
                  "Use --cache-type f16.");
    }
    return guest;
  }

  // Part of a segment that the current chunk computes.
  struct Piece {
    size_t segment;
    int64_t begin, count;  // rows of the segment
  };

  // Makes passes stop at a layer for as long as it lives.
  class Shown {
   public:
    Shown(int64_t& layer, const LayerSink*& to, int64_t shown, const LayerSink& sink)
        : layer_(layer), to_(to) {
      layer_ = shown;
      to_ = &sink;
    }
    ~Shown() {
      layer_ = -1;
      to_ = nullptr;
    }
    Shown(const Shown&) = delete;
    Shown& operator=(const Shown&) = delete;

   private:
    int64_t& layer_;
    const LayerSink*& to_;
  };

  void check_shown(const EnginePast& past, int64_t layer) const {
    const std::string where = "layer " + std::to_string(layer);
    if (layer < 0 || layer >= description_.layers) {
      throw Error(where, "is none: the model has " + std::to_string(description_.layers),
                  "Give 0 to " + std::to_string(description_.layers - 1) + ".");
    }
    if (!description_.decoder || !past.policy->attends_everything()) {
      throw Error(where, "shows its attention for decoders and --context full only");
    }
    if (description_.layer[static_cast<size_t>(layer)].window > 0) {
      throw Error(where, "sees a sliding window only", "Name a layer that sees everything.");
    }
    if (description_.position == PositionKind::alibi) {
      throw Error(where, "adds distances to its scores (ALiBi), which are not shown",
                  "Use another model.");
    }
    if (shape_.type == CacheType::q8) {
      throw Error(where, "keeps its keys in 8 bits, which do not show", "Use --cache-type f16.");
    }
  }

  void check_segments(std::span<const Segment> batch) const {
    for (size_t i = 0; i < batch.size(); ++i) {
      const Segment& s = batch[i];
      const std::string where = "segment " + std::to_string(i);
      if (description_.decoder != (s.past != nullptr)) {
        throw Error(where, description_.decoder ? "has no past, which a decoder needs"
                                                : "has a past, which an encoder cannot use");
      }
      const int64_t start = s.past ? static_cast<EnginePast*>(s.past)->next_position : 0;
      int64_t last = start + s.count - 1;
      for (int32_t p : s.positions) last = std::max<int64_t>(last, p);
      if (description_.position == PositionKind::learned &&
          last + description_.position_offset >= description_.position_rows) {
        throw Error(where,
                    "position " + std::to_string(last) + " lies beyond the model's " +
                        std::to_string(description_.position_rows - description_.position_offset) +
                        " learned positions",
                    "Shorten the text; this model cannot see further.");
      }
      if (!s.parents.empty()) {
        const auto* past = static_cast<EnginePast*>(s.past);
        if (!past || !past->policy->attends_everything() || s.count > options_.chunk_rows ||
            geometry_.windowed) {
          throw Error(where,
                      "a tree of alternatives needs a decoder without windows, --context full and "
                      "at most " +
                          std::to_string(options_.chunk_rows) + " rows");
        }
      }
    }
  }

  // Fills the chunk with rows from segment `first` on; gives the first segment that is not done.
  size_t gather_chunk(std::span<const Segment> batch, size_t first) {
    pieces_.clear();
    int64_t rows = 0;
    const int64_t room = options_.chunk_rows;
    while (first < batch.size()) {
      const Segment& s = batch[first];
      const int64_t left = s.count - done_;
      // Pieces of equal size: a last piece of a few rows would read all weights for them alone.
      const int64_t pieces = (s.count + room - 1) / room;
      int64_t piece = std::min(
          left, (s.count / std::max<int64_t>(pieces, 1) + kTileTokens) / kTileTokens * kTileTokens);
      if (!s.past || !s.parents.empty()) piece = left;
      if (const auto* past = static_cast<EnginePast*>(s.past); past && past->policy->chooses()) {
        piece = past->policy->together(past->length(), std::min(left, room));
      }
      if (rows > 0 && rows + piece > room) break;
      pieces_.push_back({first, done_, piece});
      rows += piece;
      done_ += piece;
      if (done_ < s.count) break;  // the rest of this sequence needs these rows in its past
      done_ = 0;
      ++first;
    }
    return first;
  }

  void lay_out(std::span<const Segment> batch) {
    segments_.clear();
    segment_of_.clear();
    entry_.clear();
    position_.clear();
    for (const Piece& p : pieces_) {
      const Segment& s = batch[p.segment];
      ChunkSegment c;
      c.first_row = static_cast<int64_t>(entry_.size());
      c.rows = p.count;
      int64_t start = 0;
      if (s.past) {
        auto* past = static_cast<EnginePast*>(s.past);
        c.store = &past->store;
        c.policy = past->policy.get();
        c.counters = &past->counted;
        c.first_entry = past->store.entries();
        c.dropped = past->dropped;
        start = past->next_position;
        past->store.extend(p.count);
      } else {
        if (encoder_stores_.size() <= segments_.size())
          encoder_stores_.push_back(std::make_unique<KvStore>(pool_));
        c.store = encoder_stores_[segments_.size()].get();
        c.store->truncate(0);
        c.store->extend(p.count);
        c.sees_all = true;
      }
      c.parents = s.parents;
      for (int64_t i = 0; i < p.count; ++i) {
        segment_of_.push_back(static_cast<int32_t>(segments_.size()));
        entry_.push_back(c.first_entry + i);
        position_.push_back(static_cast<int32_t>(start + i));
        if (!s.positions.empty()) {
          position_.back() = s.positions[static_cast<size_t>(p.begin + i)];
        } else if (!s.parents.empty()) {
          const int32_t parent = s.parents[static_cast<size_t>(i)];
          position_.back() = parent < 0 ? static_cast<int32_t>(start)
                                        : position_[static_cast<size_t>(c.first_row + parent)] + 1;
        }
      }
      segments_.push_back(c);
    }
  }

  void run_chunk(std::span<const Segment> batch) {
    lay_out(batch);
    const auto rows = static_cast<int64_t>(entry_.size());
    plan_.reserve(rows, std::min(rows, kWantedRows));
    const Rows& input = plan_.input();
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const Segment& s = batch[pieces_[i].segment];
      for (int64_t r = 0; r < pieces_[i].count; ++r) {
        std::memcpy(input.row(segments_[i].first_row + r),
                    s.vectors.data() + (pieces_[i].begin + r) * input.width,
                    static_cast<size_t>(input.width) * sizeof(float));
      }
    }
    Chunk chunk{rows, segments_, segment_of_, entry_, position_, {}};
    plan_.prepare(chunk);
    if (shown_to_) {
      (*shown_to_)(plan_.run_to_attention(chunk, shown_layer_).view_of(chunk, segments_.front()));
    } else {
      plan_.run_body(chunk);
      deliver(batch, chunk);
    }
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const Segment& s = batch[pieces_[i].segment];
      if (!s.past) continue;
      auto* past = static_cast<EnginePast*>(s.past);
      if (!s.parents.empty()) {
        past->store.truncate(segments_[i].first_entry);
        continue;
      }
      past->next_position =
          position_[static_cast<size_t>(segments_[i].first_row + segments_[i].rows - 1)] + 1;
      if (past->length() <= past->prompt) past->of_prompt = past->counted;
      runs_.clear();
      past->policy->evict(past->store.entries(), runs_);
      for (const Run& run : runs_) past->store.evict(run.begin, run.end);
      if (past->policy->chooses()) compact(*past);
      past->count_policy();
    }
  }

  // Drops what the policy no longer keeps.
  void compact(EnginePast& past) {
    const int64_t entries = past.store.entries();
    const int64_t kept = past.policy->keep(entries, past.length());
    if (kept >= entries) return;
    for (int64_t layer = 0; layer < shape_.layers; ++layer) {
      for (int64_t head = 0; head < shape_.kv_heads; ++head) {
        moves_.clear();
        past.policy->moves(layer, head, moves_);
        for (const Move& m : moves_) past.store.move(layer, head, m.from, m.to);
      }
    }
    past.store.truncate(kept);
    past.dropped += entries - kept;
  }

  // Runs the head over the wanted rows of this chunk and copies the results to their owners.
  void deliver(std::span<const Segment> batch, Chunk chunk) {
    wanted_.clear();
    owners_.clear();
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const Piece& p = pieces_[i];
      const Segment& s = batch[p.segment];
      const int64_t first_wanted = s.count - s.wanted;
      for (int64_t r = std::max<int64_t>(0, first_wanted - p.begin); r < p.count; ++r) {
        wanted_.push_back(static_cast<int32_t>(segments_[i].first_row + r));
        owners_.push_back({p.segment, p.begin + r - first_wanted});
      }
    }
    for (size_t at = 0; at < wanted_.size(); at += static_cast<size_t>(kWantedRows)) {
      const size_t n = std::min(wanted_.size() - at, static_cast<size_t>(kWantedRows));
      chunk.wanted = {wanted_.data() + at, n};
      plan_.run_head(chunk);
      for (size_t i = 0; i < n; ++i) {
        const auto [segment, row] = owners_[at + i];
        copy_row(plan_.hidden(), static_cast<int64_t>(i), batch[segment].hidden, row);
        if (plan_.logits())
          copy_row(*plan_.logits(), static_cast<int64_t>(i), batch[segment].logits, row);
      }
    }
  }

  static void copy_row(const Rows& from, int64_t row, std::span<float> to, int64_t to_row) {
    if (to.empty()) return;
    std::memcpy(to.data() + to_row * from.width, from.row(row),
                static_cast<size_t>(from.width) * sizeof(float));
  }

  struct Owner {
    size_t segment;
    int64_t row;
  };

  ModelDescription description_;
  int64_t trained_context_ = 0;
  std::shared_ptr<Checkpoint> checkpoint_;
  std::vector<StoredTensor> tensors_;
  std::once_flag hashed_;
  std::string weights_;
  EngineOptions options_;
  Plan plan_;
  Parameter table_;
  Profile* profile_ = nullptr;
  SelectionSink* trace_ = nullptr;
  KvShape shape_;
  std::shared_ptr<KvPool> pool_;
  std::shared_ptr<PolicyBytes> policies_ = std::make_shared<PolicyBytes>(0);
  Geometry geometry_;
  std::vector<std::unique_ptr<KvStore>> encoder_stores_;

  // The current chunk; kept between calls so that nothing is allocated per token.
  std::vector<Piece> pieces_;
  int64_t done_ = 0;
  std::vector<ChunkSegment> segments_;
  std::vector<int32_t> segment_of_, position_, wanted_;
  std::vector<int64_t> entry_;
  std::vector<Owner> owners_;
  int64_t shown_layer_ = -1;             // where passes stop, for read_layer()
  const LayerSink* shown_to_ = nullptr;  // null: they run to the end
  std::vector<Run> runs_;
  std::vector<Move> moves_;
};

}  // namespace

std::unique_ptr<Network> load_network(const ModelFiles& model, const EngineOptions& options) {
  kernels();  // a level that this processor lacks is refused here: jobs of the pool must not throw
  return std::make_unique<Engine>(model, options);
}

std::string engine_text(const Network& network) {
  const auto* engine = dynamic_cast<const Engine*>(&network);
  return engine ? engine->arithmetic() : "";
}

void start_profile(Network& network, Profile& profile) {
  if (auto* engine = dynamic_cast<Engine*>(&network)) engine->count_into(&profile);
}

void stop_profile(Network& network) {
  if (auto* engine = dynamic_cast<Engine*>(&network)) engine->count_into(nullptr);
}

bool observe_inputs(Network& network, InputObserver* observer) {
  auto* engine = dynamic_cast<Engine*>(&network);
  if (engine) engine->observe_inputs(observer);
  return engine != nullptr;
}

void trace_selections(Network& network, SelectionSink* sink) {
  if (auto* engine = dynamic_cast<Engine*>(&network)) engine->trace_into(sink);
}

NetworkFloor floor_of(const Network& network) {
  const auto* engine = dynamic_cast<const Engine*>(&network);
  return engine ? engine->floor() : NetworkFloor{};
}

EngineMemory memory_of(const Network& network) {
  const auto* engine = dynamic_cast<const Engine*>(&network);
  return engine ? engine->memory() : EngineMemory{};
}

}  // namespace tessera
