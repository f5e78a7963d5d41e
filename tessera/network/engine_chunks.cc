#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "tessera/base/error.h"
#include "tessera/network/engine_network.h"

namespace tessera {
namespace {

// Results are delivered in portions, so that scratch for logits stays small.
constexpr int64_t kWantedRows = 4 * kTileTokens;

void copy_row(const Rows& from, int64_t row, std::span<float> to, int64_t to_row) {
  if (to.empty()) return;
  std::memcpy(to.data() + to_row * from.width, from.row(row),
              static_cast<size_t>(from.width) * sizeof(float));
}

}  // namespace

// Makes passes stop at a layer for as long as it lives.
class Engine::Shown {
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

void Engine::forward(std::span<const Segment> batch) {
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

void Engine::read_layer(Past& past, std::span<const float> vectors, int64_t layer,
                        const LayerSink& sink) {
  check_shown(static_cast<EnginePast&>(past), layer);
  Segment s;
  s.past = &past;
  s.vectors = vectors;
  s.count = static_cast<int64_t>(vectors.size()) / description_.embedding_width;
  if (s.count == 0) return;
  const Shown shown(shown_layer_, shown_to_, layer, sink);
  forward({&s, 1});
}

void Engine::check_shown(const EnginePast& past, int64_t layer) const {
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

void Engine::check_segments(std::span<const Segment> batch) const {
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

size_t Engine::gather_chunk(std::span<const Segment> batch, size_t first) {
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

void Engine::lay_out(std::span<const Segment> batch) {
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

void Engine::run_chunk(std::span<const Segment> batch) {
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

void Engine::compact(EnginePast& past) {
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

void Engine::deliver(std::span<const Segment> batch, Chunk chunk) {
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

}  // namespace tessera
