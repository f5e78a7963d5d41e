#include "tessera/files/assemble.h"

#include <deque>
#include <map>
#include <set>
#include <tuple>

#include "tessera/base/error.h"
#include "tessera/files/quantise.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

// All experts of a layer in one tensor are kept as one entry under this number.
constexpr int64_t kAllExperts = -2;

struct Key {
  Part part;
  int64_t layer, expert;
  auto operator<=>(const Key&) const = default;
};

class Table final : public Checkpoint {
 public:
  Parameter weight(const Place& place) const override { return find(weights_, place); }
  Parameter bias(const Place& place) const override { return find(biases_, place); }
  void release(const Parameter& p) const override { files_->release(p.data); }

 private:
  friend class Assembler;

  static Parameter find(const std::map<Key, Parameter>& table, const Place& place) {
    auto it = table.find({place.part, place.layer, place.expert});
    if (it != table.end()) return it->second;
    if (place.expert >= 0) {
      it = table.find({place.part, place.layer, kAllExperts});
      if (it != table.end()) return slab(it->second, place.expert);
    }
    return {};
  }

  // One expert's matrix out of a tensor [experts, rows, columns].
  static Parameter slab(Parameter p, int64_t expert) {
    const auto size = static_cast<size_t>(bytes_of(p.type, p.columns) * p.rows);
    if (static_cast<size_t>(expert) >= p.data.size() / size) return {};
    p.data = p.data.subspan(static_cast<size_t>(expert) * size, size);
    size_t mark = p.module.find("{e}");
    if (mark != std::string::npos) p.module.replace(mark, 3, std::to_string(expert));
    return p;
  }

  std::shared_ptr<const TensorFiles> files_;
  std::map<Key, Parameter> weights_, biases_;
  std::deque<std::vector<float>> owned_;  // reordered biases
};

std::string expand(std::string_view name, int64_t layer, int64_t expert) {
  std::string out(name);
  size_t at = out.find("{}");
  if (at != std::string::npos) out.replace(at, 2, std::to_string(layer));
  at = out.find("{e}");
  if (at != std::string::npos && expert >= 0) out.replace(at, 3, std::to_string(expert));
  return out;
}

// The file's logical-to-stored order of a fused tensor's rows.
struct Layout {
  int64_t stored_rows = 0;
  int64_t first = 0;  // of a contiguous run, when `map` is empty
  std::vector<int32_t> map;
};

Layout layout_of_part(const ModelDescription& d, Part part, Storage storage, int64_t rows) {
  const int64_t w = d.head_width, per_group = d.heads / d.kv_heads;
  Layout out{rows, 0, {}};
  switch (storage) {
    case Storage::plain:
    case Storage::transposed:
    case Storage::slabs:
      return out;
    case Storage::stacked:
    case Storage::stacked_transposed: {
      const bool feed_forward = part == Part::gate || part == Part::up;
      out.stored_rows = feed_forward ? 2 * d.ffn_width : (d.heads + 2 * d.kv_heads) * w;
      if (part == Part::up) out.first = d.ffn_width;
      if (part == Part::key) out.first = d.heads * w;
      if (part == Part::value) out.first = (d.heads + d.kv_heads) * w;
      return out;
    }
    case Storage::grouped: {
      out.stored_rows = (d.heads + 2 * d.kv_heads) * w;
      out.map.resize(static_cast<size_t>(rows));
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t head = r / w;
        const int64_t group = part == Part::query ? head / per_group : head;
        const int64_t within = part == Part::query ? head % per_group
                               : part == Part::key ? per_group
                                                   : per_group + 1;
        out.map[static_cast<size_t>(r)] =
            static_cast<int32_t>((group * (per_group + 2) + within) * w + r % w);
      }
      return out;
    }
    case Storage::interleaved: {
      // Only the rotated dimensions of a head were reordered by the writer: all of them.
      out.map.resize(static_cast<size_t>(rows));
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t head = r / w, half = r % w / (w / 2), i = r % (w / 2);
        out.map[static_cast<size_t>(r)] = static_cast<int32_t>(head * w + 2 * i + half);
      }
      return out;
    }
  }
  return out;
}

bool is_integer(DType type) {
  return type == DType::i8 || type == DType::i16 || type == DType::i32 || type == DType::i64;
}

class Assembler {
 public:
  Assembler(const ModelDescription& d, const Family& family,
            const std::vector<StoredTensor>& tensors, const AssembleOptions& options)
      : d_(d), family_(family), options_(options), table_(std::make_shared<Table>()) {
    for (const StoredTensor& t : tensors) by_name_.emplace(t.name, &t);
  }

  std::shared_ptr<Checkpoint> run(std::shared_ptr<const TensorFiles> files) {
    table_->files_ = std::move(files);
    if (options_.find_prefix) find_prefix();
    for (Part part : all_parts()) {
      if (!in_layers(part)) {
        place(part, -1);
        continue;
      }
      for (int64_t layer = 0; layer < d_.layers; ++layer) place(part, layer);
    }
    refuse_unclaimed();
    return table_;
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& remedy = "") const {
    throw Error(options_.where, what, remedy);
  }

  // What stands in front of the module names: whatever stands in front of the embedding table's.
  void find_prefix() {
    std::string tail;
    for (const PartName& name : options_.names) {
      if (name.part == Part::token_embedding) tail = std::string(name.module) + ".weight";
    }
    std::vector<std::string> found;
    for (const auto& [name, tensor] : by_name_) {
      if (name.ends_with(tail)) found.emplace_back(name.substr(0, name.size() - tail.size()));
    }
    if (found.empty()) refuse("has no tensor " + std::string(family_.prefix) + tail);
    if (found.size() > 1) {
      refuse("has " + found[0] + tail + " and " + found[1] + tail + ": more than one model");
    }
    prefix_ = found[0];
    if (prefix_.ends_with(family_.prefix)) {
      outer_ = prefix_.substr(0, prefix_.size() - family_.prefix.size());
    }
  }

  // The file's name of a module, without ".weight".
  std::string stored_name(std::string_view module) const {
    return module.starts_with('^') ? outer_ + std::string(module.substr(1))
                                   : prefix_ + std::string(module);
  }

  // The module's name in the family: its own where the file has the family's names, else the first
  // one of its part.
  std::string canonical_name(const PartName& own, int64_t layer, int64_t expert) const {
    const PartName* name = options_.find_prefix ? &own : nullptr;
    for (const PartName& candidate : family_.parts) {
      const bool of_experts = candidate.module.find("{e}") != std::string::npos;
      if (!name && candidate.part == own.part && of_experts == (expert != -1)) name = &candidate;
    }
    if (!name) return "";
    std::string full = name->module.starts_with('^')
                           ? std::string(name->module.substr(1))
                           : std::string(family_.prefix) + std::string(name->module);
    return expand(full, layer, expert);
  }

  void place(Part part, int64_t layer) {
    const PartShape shape = shape_of(d_, part, layer);
    if (shape.rows == 0) return;
    const bool feed_forward = part == Part::gate || part == Part::up || part == Part::down;
    if (!feed_forward || !d_.layer[static_cast<size_t>(layer)].experts) {
      place_one(part, layer, -1, shape);
      return;
    }
    for (const PartName& name : options_.names) {
      if (name.part == part && name.storage == Storage::slabs &&
          tensor(expand(stored_name(name.module), layer, -1) + ".weight")) {
        place_named(name, layer, kAllExperts, shape);
        return;
      }
    }
    for (int64_t e = 0; e < d_.experts; ++e) place_one(part, layer, e, shape);
  }

  void place_one(Part part, int64_t layer, int64_t expert, PartShape shape) {
    std::string tried;
    for (const PartName& name : options_.names) {
      const bool of_experts = name.module.find("{e}") != std::string::npos;
      if (name.part != part || of_experts != (expert >= 0) || name.storage == Storage::slabs) {
        continue;
      }
      std::string full = expand(stored_name(name.module), layer, expert);
      if (weight_of(full)) {
        place_named(name, layer, expert, shape);
        return;
      }
      tried += (tried.empty() ? "" : " or ") + full + ".weight";
    }
    refuse(tried.empty()
               ? "is a " + d_.family + " model with a part that no tensor of its format " + "holds"
               : "has no tensor " + tried + ", which a " + d_.family + " model needs",
           "Get the whole model again.");
  }

  const StoredTensor* tensor(const std::string& name) const {
    auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : it->second;
  }

  // Checkpoints that came from TensorFlow call a norm's weight and bias gamma and beta.
  const StoredTensor* weight_of(const std::string& module) const {
    const StoredTensor* found = tensor(module + ".weight");
    return found ? found : tensor(module + ".gamma");
  }
  const StoredTensor* bias_of(const std::string& module) const {
    const StoredTensor* found = tensor(module + ".bias");
    return found ? found : tensor(module + ".beta");
  }

  void expect_shape(const StoredTensor& t, const std::vector<int64_t>& wanted) const {
    if (t.shape != wanted) {
      refuse("tensor " + shown(t.name) + " is " + shape_text(t.shape) +
                 ", but the description asks for " + shape_text(wanted),
             "One of the two is wrong; get the model again.");
    }
    if (is_integer(t.type)) {
      refuse("tensor " + shown(t.name) + " holds whole numbers (" +
                 std::string(layout_of(t.type).name) +
                 "); a weight is floating-point or quantised " + "in blocks",
             "Quantised checkpoints of other tools are not served; get the plain model.");
    }
  }

  void place_named(const PartName& name, int64_t layer, int64_t expert, PartShape shape) {
    const std::string stored = expand(stored_name(name.module), layer, expert);
    const StoredTensor& t = *weight_of(stored);
    if (name.storage == Storage::interleaved && d_.head_width % 2 != 0) {
      refuse("has heads of " + std::to_string(d_.head_width) + ", an odd number, that are rotated");
    }
    const Layout rows = layout_of_part(d_, name.part, name.storage, shape.rows);
    const bool transposed =
        name.storage == Storage::transposed || name.storage == Storage::stacked_transposed;
    if (is_norm(name.part)) {
      expect_shape(t, {shape.columns});
    } else if (name.storage == Storage::slabs) {
      expect_shape(t, {d_.experts, shape.rows, shape.columns});
    } else if (transposed) {
      expect_shape(t, {shape.columns, rows.stored_rows});
    } else {
      expect_shape(t, {rows.stored_rows, shape.columns});
    }
    claimed_.insert(t.name);
    Parameter p;
    p.module = canonical_name(name, layer, expert);
    p.tensor = t.name;
    p.type = t.type;
    p.rows = shape.rows;
    p.columns = shape.columns;
    p.stored_rows = rows.stored_rows;
    p.transposed = transposed;
    p.row_map = rows.map;
    p.data = t.data;
    if (transposed) {
      if (layout_of(t.type).block_elements != 1) {
        refuse("tensor " + shown(t.name) + " is transposed and quantised in blocks");
      }
      if (p.rows != p.stored_rows) {
        for (int64_t r = 0; r < p.rows; ++r) {
          p.row_map.push_back(static_cast<int32_t>(rows.first + r));
        }
      }
    } else if (rows.map.empty() && name.storage != Storage::slabs) {
      // A contiguous run of whole rows is a tensor of its own.
      const int64_t row = bytes_of(t.type, p.columns);
      p.data =
          t.data.subspan(static_cast<size_t>(rows.first * row), static_cast<size_t>(p.rows * row));
      p.stored_rows = p.rows;
    }
    place_bias(stored, name, layer, expert, rows, is_norm(name.part) ? p.columns : p.rows);
    table_->weights_.emplace(Key{name.part, layer, expert}, std::move(p));
  }

  void place_bias(const std::string& stored, const PartName& name, int64_t layer, int64_t expert,
                  const Layout& rows, int64_t size) {
    const StoredTensor* t = bias_of(stored);
    if (!t) return;
    const int64_t stored_size = is_norm(name.part) ? size : rows.stored_rows;
    expect_shape(*t, {stored_size});
    claimed_.insert(t->name);
    Parameter p;
    p.module = canonical_name(name, layer, expert);
    p.tensor = t->name;
    p.rows = p.stored_rows = 1;
    p.columns = size;
    p.type = t->type;
    if (rows.map.empty() && layout_of(t->type).block_elements == 1) {
      p.data = t->data.subspan(static_cast<size_t>(bytes_of(t->type, rows.first)),
                               static_cast<size_t>(bytes_of(t->type, size)));
    } else {
      std::vector<float> all(static_cast<size_t>(stored_size)), own;
      dequantise(t->type, t->data, all);
      for (int64_t i = 0; i < size; ++i) {
        const int64_t from = rows.map.empty() ? rows.first + i : rows.map[static_cast<size_t>(i)];
        own.push_back(all[static_cast<size_t>(from)]);
      }
      table_->owned_.push_back(std::move(own));
      p.type = DType::f32;
      p.data = std::as_bytes(std::span(table_->owned_.back()));
    }
    table_->biases_.emplace(Key{name.part, layer, expert}, std::move(p));
  }

  void refuse_unclaimed() const {
    for (const auto& [name, t] : by_name_) {
      if (claimed_.contains(name) || inert(name)) continue;
      refuse("tensor " + shown(name) + " " + shape_text(t->shape) + " has no part in a " +
                 d_.family + " model",
             "If it changes nothing, add `--assume-inert " + shown(name) + "`.");
    }
  }

  bool inert(const std::string& name) const {
    for (std::string_view pattern : options_.inert_tensors) {
      if (matches(pattern, name)) return true;
    }
    for (const std::string& accepted : options_.assume_inert) {
      if (accepted == name) return true;
    }
    // A copy of the embedding table that the head is tied to.
    for (const PartName& part : options_.names) {
      if (part.part == Part::output && d_.tied && name == stored_name(part.module) + ".weight") {
        return true;
      }
    }
    return false;
  }

  const ModelDescription& d_;
  const Family& family_;
  const AssembleOptions& options_;
  std::shared_ptr<Table> table_;
  std::map<std::string, const StoredTensor*> by_name_;
  std::set<std::string> claimed_;
  std::string prefix_, outer_;
};

}  // namespace

std::shared_ptr<Checkpoint> assemble(const ModelDescription& d, const Family& family,
                                     const std::vector<StoredTensor>& tensors,
                                     std::shared_ptr<const TensorFiles> files,
                                     const AssembleOptions& options) {
  return Assembler(d, family, tensors, options).run(std::move(files));
}

}  // namespace tessera
