// Attention of tokens whose policy chose by content.
#include <algorithm>
#include <vector>

#include "tessera/network/attend_lines.h"
#include "tessera/network/attend_stage.h"
#include "tessera/network/damping.h"
#include "tessera/network/gather.h"

namespace tessera {
namespace {

bool alike(const Run& a, const Run& b) {
  return a.begin == b.begin && a.end == b.end && a.query_position == b.query_position;
}
bool alike(const std::vector<Run>& a, const std::vector<Run>& b) {
  return std::ranges::equal(a, b, [](const Run& x, const Run& y) { return alike(x, y); });
}

// A tile of tokens of one segment, and heads of one KV head.
class Tile {
 public:
  Tile(const AttendShape& shape, const ChunkSegment& segment, const LayerView& view,
       int64_t kv_head, int64_t head, int64_t heads, int64_t rows, AttendScratch::PerThread& mine)
      : shape_(shape),
        segment_(segment),
        view_(view),
        kv_head_(kv_head),
        head_(head),
        heads_(heads),
        rows_(rows),
        mine_(mine) {
    clear_lines(mine_, rows * heads, view.width());
    if (static_cast<int64_t>(mine_.few.size()) < rows) mine_.few.resize(static_cast<size_t>(rows));
    if (static_cast<int64_t>(mine_.each.size()) < heads) {
      mine_.each.resize(static_cast<size_t>(heads));
      mine_.damped.resize(static_cast<size_t>(heads));
    }
  }

  // Attends with row `r` of the tile, row `row` of the view, but for its short runs; gives the keys
  // that its heads read together.
  int64_t attend(int64_t r, int64_t row) {
    row_ = row;
    entry_ = view_.first_entry() + row;
    position_ = view_.position(row);
    first_line_ = r * heads_;
    std::vector<Run>& few = mine_.few[static_cast<size_t>(r)];
    few.clear();
    if (segment_.policy->per_query_head()) return attend_heads(few);
    const StepView step = step_of(0, heads_);
    if (const Copies copies = segment_.policy->copies(step); copies.keys) {
      stand(0, heads_, copies.query_position - position_);
      gather_copied(shape_, *copies.keys, view_.width(), lines(0, heads_), mine_);
      const int64_t rest = copies.rest.end - copies.rest.begin;
      if (rest > 0) gather_runs(0, heads_, {&copies.rest, 1}, few);
      return (copies.keys->size() + rest) * heads_;
    }
    const float factor = ask(0, heads_);
    return attend_with(0, heads_, factor, few);
  }

  // Attends to what the rows' short runs hold: together, where all see the same from the same
  // distances, as rows do that chose together.
  void attend_few(int64_t first_row) {
    const auto turned = [&](int64_t r, int64_t rows) {
      list_few(mine_.few[static_cast<size_t>(r)], view_.position(first_row + r));
      if (mine_.single.empty()) return;
      for (int64_t i = r; i < r + rows; ++i) {
        row_ = first_row + i;
        first_line_ = i * heads_;
        stand(0, heads_, 0);
      }
      first_line_ = r * heads_;
      gather_turned(view_, shape_, kv_head_, segment_.policy->plain_keys(shape_.layer, kv_head_),
                    mine_.single, lines(0, rows * heads_), mine_);
    };
    const auto same = [&](int64_t r) {
      const std::vector<Run>&a = mine_.few[0], &b = mine_.few[static_cast<size_t>(r)];
      const int64_t shift = view_.position(first_row + r) - view_.position(first_row);
      return std::ranges::equal(a, b, [&](const Run& x, const Run& y) {
        return alike({x.begin, x.end, x.query_position + shift}, y);
      });
    };
    for (int64_t r = 1; r < rows_; ++r) {
      if (same(r)) continue;
      for (int64_t i = 0; i < rows_; ++i) turned(i, 1);
      return;
    }
    turned(0, rows_);
  }

 private:
  // What heads see and what of it is damped, in the lists of the first; gives the factor.
  float ask(int64_t first, int64_t count) {
    std::vector<Run>& runs = mine_.each[static_cast<size_t>(first)];
    std::vector<Run>& damped = mine_.damped[static_cast<size_t>(first)];
    runs.clear();
    damped.clear();
    segment_.policy->select(step_of(first, count), runs);
    return segment_.policy->dampen(step_of(first, count), damped);
  }

  StepView step_of(int64_t first, int64_t count) const {
    const int64_t h = head_ + first;
    const float* q = view_.raw_query(row_, h);
    return {shape_.layer,
            kv_head_,
            entry_,
            position_,
            {q, static_cast<size_t>(count * shape_.head_width)},
            h,
            &view_,
            row_};
  }

  // Sets the queries of heads, turned by `turn` positions.
  void stand(int64_t first, int64_t count, int64_t turn) {
    const int64_t width = view_.width();
    for (int64_t i = first; i < first + count; ++i) {
      load_query(shape_, view_.raw_query(row_, head_ + i), turn,
                 mine_.query.data() + (first_line_ + i) * width, width);
    }
  }

  // Lines of heads of the row, or of rows from it on, that see everything.
  std::span<const Gather> lines(int64_t first, int64_t count) {
    return lines(first, count, {0, entry_ + 1, position_});
  }
  std::span<const Gather> lines(int64_t first, int64_t count, const Run& run) {
    const int64_t width = view_.width();
    mine_.gathers.clear();
    for (int64_t i = first_line_ + first; i < first_line_ + first + count; ++i) {
      mine_.gathers.push_back({mine_.query.data() + i * width, run.begin, run.end, position_, 0.f,
                               &mine_.maximum[static_cast<size_t>(i)],
                               &mine_.total[static_cast<size_t>(i)],
                               mine_.weighted.data() + i * width});
    }
    return mine_.gathers;
  }

  // Everything from where it is: as full attention does it, to the bit.
  bool everything(std::span<const Run> runs) const {
    return runs.size() == 1 && runs[0].begin == 0 && runs[0].end == entry_ + 1 &&
           runs[0].query_position == position_;
  }

  // Each head chose for itself.
  int64_t attend_heads(std::vector<Run>& few) {
    float factors[kAttendRows];
    bool one = true, here = true;
    for (int64_t i = 0; i < heads_; ++i) {
      factors[i] = ask(i, 1);
      const std::vector<Run>& runs = mine_.each[static_cast<size_t>(i)];
      const bool plain = mine_.damped[static_cast<size_t>(i)].empty();
      one = one && plain && alike(runs, mine_.each[0]);
      here = here && plain && !everything(runs) &&
             std::ranges::all_of(runs, [&](const Run& r) { return r.query_position == position_; });
    }
    if (one) return attend_with(0, heads_, 1, few);
    int64_t read = 0;
    if (!here) {
      for (int64_t i = 0; i < heads_; ++i) {
        read += attend_with(i, 1, factors[i], few);
        attend_now(i, 1, few);
      }
      return read;
    }
    for (int64_t i = 0; i < heads_; ++i) {
      for (const Run& run : mine_.each[static_cast<size_t>(i)]) read += run.end - run.begin;
    }
    stand(0, heads_, 0);
    gather_seen(shape_, view_.store(), kv_head_, mine_.each, lines(0, heads_), mine_);
    return read;
  }

  // Heads of the row that see the runs of the first; the short ones are left in `few`.
  int64_t attend_with(int64_t first, int64_t count, float factor, std::vector<Run>& few) {
    const std::vector<Run>& runs = mine_.each[static_cast<size_t>(first)];
    const std::vector<Run>& damped = mine_.damped[static_cast<size_t>(first)];
    int64_t read = 0;
    for (const Run& run : runs) read += (run.end - run.begin) * count;
    if (damped.empty()) {
      gather_runs(first, count, runs, few);
      return read;
    }
    take_out(runs, damped, mine_.rest);
    gather_runs(first, count, mine_.rest, few);
    attend_now(first, count, few);
    const int64_t width = view_.width(), line = first_line_ + first;
    const auto swap = [&] {
      for (int64_t i = 0; i < count; ++i) {
        std::swap(mine_.maximum[static_cast<size_t>(line + i)],
                  mine_.damped_maximum[static_cast<size_t>(i)]);
        std::swap(mine_.total[static_cast<size_t>(line + i)],
                  mine_.damped_total[static_cast<size_t>(i)]);
      }
      std::swap_ranges(mine_.damped_weighted.begin(), mine_.damped_weighted.begin() + count * width,
                       mine_.weighted.begin() + line * width);
    };
    std::fill_n(mine_.damped_maximum.begin(), count, kNothingGathered);
    std::fill_n(mine_.damped_total.begin(), count, 0.f);
    std::fill_n(mine_.damped_weighted.begin(), count * width, 0.f);
    swap();
    gather_runs(first, count, damped, few);
    attend_now(first, count, few);
    swap();
    for (int64_t i = 0; i < count; ++i) {
      const auto n = static_cast<size_t>(line + i), k = static_cast<size_t>(i);
      join_damped(factor, mine_.damped_maximum[k], mine_.damped_total[k],
                  mine_.damped_weighted.data() + i * width, width, mine_.maximum[n], mine_.total[n],
                  mine_.weighted.data() + (line + i) * width);
    }
    return read;
  }

  void gather_runs(int64_t first, int64_t count, std::span<const Run> runs, std::vector<Run>& few) {
    if (everything(runs)) {
      stand(first, count, 0);
      gather(shape_, view_.store(), kv_head_, lines(first, count), mine_);
      return;
    }
    for (size_t i = 0, end = 0; i < runs.size(); i = end) {
      int64_t keys = 0;
      for (; end < runs.size() && runs[end].query_position == runs[i].query_position; ++end) {
        keys += runs[end].end - runs[end].begin;
      }
      const auto some = runs.subspan(i, end - i);
      if (keys < kFewKeys) {
        few.insert(few.end(), some.begin(), some.end());
        continue;
      }
      stand(first, count, runs[i].query_position - position_);
      if (some.size() == 1) {  // as it lies, with what comes next asked for
        gather(shape_, view_.store(), kv_head_, lines(first, count, some[0]), mine_);
        continue;
      }
      gather_chosen(shape_, view_.store(), kv_head_, some, lines(first, count), mine_);
    }
  }

  // The short runs of heads of the row.
  void attend_now(int64_t first, int64_t count, std::vector<Run>& few) {
    list_few(few, position_);
    few.clear();
    if (mine_.single.empty()) return;
    stand(first, count, 0);
    gather_turned(view_, shape_, kv_head_, segment_.policy->plain_keys(shape_.layer, kv_head_),
                  mine_.single, lines(first, count), mine_);
  }

  // What short runs hold, turned to be seen from `position`.
  void list_few(const std::vector<Run>& few, int64_t position) {
    mine_.single.clear();
    for (const Run& run : few) {
      for (int64_t e = run.begin; e < run.end; ++e) {
        mine_.single.push_back({e, position - run.query_position});
      }
    }
  }

  const AttendShape& shape_;
  const ChunkSegment& segment_;
  const LayerView& view_;
  int64_t kv_head_, head_, heads_, rows_;
  AttendScratch::PerThread& mine_;
  // Of the row that attends.
  int64_t row_ = 0, entry_ = 0, position_ = 0, first_line_ = 0;
};

}  // namespace

// Tokens first .. of a segment whose policy chose by content: each head, or all heads of the group
// together, over its own runs.
void AttendStage::attend_chosen(Crew& crew, const Chunk& chunk, const ChunkSegment& s,
                                int64_t kv_head, int64_t row, int64_t rows, int64_t head,
                                int64_t heads) {
  auto& mine = scratch_->thread(crew.thread);
  const LayerView view = view_of(chunk, s);
  const int64_t first = row - s.first_row, width = view.width();
  Tile tile(shape_, s, view, kv_head, head, heads, rows, mine);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t read = tile.attend(r, first + r);
    if (head % (shape_.heads / shape_.kv_heads) != 0) continue;
    const int64_t possible = view.first_token() + first + r + 1;
    count_reads(s, read / heads, possible, 1, read == possible * heads);
  }
  tile.attend_few(first);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < heads; ++i) {
      const int64_t n = r * heads + i;
      finish_line(mine.weighted.data() + n * width, mine.total[static_cast<size_t>(n)],
                  shape_.head_width, out_->row(row + r) + (head + i) * shape_.head_width);
    }
  }
}

}  // namespace tessera
