#include "tessera/train/recall_training.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "tessera/base/error.h"
#include "tessera/base/random.h"
#include "tessera/files/assemble.h"
#include "tessera/files/memory_checkpoint.h"
#include "tessera/torch/torch_network.h"
#include "tessera/train/adamw.h"

namespace tessera {
namespace {

constexpr RecallShape kStages[] = {
    {16, 2, 4, 8}, {32, 4, 8}, {64, 8, 16}, {128, 16, 32}, {256, 32, 64}};
constexpr size_t kLast = std::size(kStages) - 1;
// Running accuracies at which a stage ends.
constexpr double kNext = 0.9, kEnough = 0.995;
constexpr uint64_t kWeightStream = 0, kDataStream = 1;

ModelDescription description() {
  ModelDescription d;
  d.family = "llama";
  d.vocabulary = kRecallSymbols;
  d.width = d.embedding_width = 128;
  d.layers = 2;
  d.layer.resize(2);
  d.context = kRecallWindow.length;
  d.heads = 4;
  d.kv_heads = 2;
  d.head_width = d.rotary_width = 32;
  d.ffn_width = 256;
  d.tied = true;
  // With rows of the table of length sqrt(width), as below, logits begin with a spread of one.
  d.logit_scale = 1 / std::sqrt(static_cast<double>(d.width));
  return d;
}

std::shared_ptr<MemoryCheckpoint> drawn(const ModelDescription& d, uint64_t seed) {
  auto out = std::make_shared<MemoryCheckpoint>(d);
  Random random(seed, kWeightStream);
  for (const Place& place : out->places()) {
    const auto fan_in = static_cast<double>(out->weight(place).columns);
    const double spread = place.part == Part::token_embedding ? 1 : 1 / std::sqrt(fan_in);
    for (float& value : out->values(place)) {
      value = is_norm(place.part) ? 1.F : static_cast<float>(spread * random.normal());
    }
  }
  return out;
}

// The questions of a step: rows whose logits are wanted, and the values that should follow.
struct Batch {
  std::vector<int64_t> ids, positions, rows, answers;
  int64_t sequences = 0;
};

Batch batch_of(const RecallShape& shape, int64_t tokens, Random& random) {
  Batch out;
  out.sequences = std::max<int64_t>(tokens / shape.length, 1);
  for (int64_t s = 0; s < out.sequences; ++s) {
    const RecallSequence sequence = make_recall(shape, random);
    for (int64_t i = 0; i < shape.length; ++i) {
      out.ids.push_back(sequence.ids[static_cast<size_t>(i)]);
      out.positions.push_back(i);
    }
    for (const auto& question : sequence.questions) {
      out.rows.push_back(s * shape.length + question.at);
      out.answers.push_back(sequence.ids[static_cast<size_t>(question.at) + 1]);
    }
  }
  return out;
}

at::Tensor tensor_of(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

// The trained values in the file's names, with the logits' scale in the last norm's weight, because
// a Llama has none of its own: the same logits.
ModelFiles finished(ModelDescription d, const TorchNetwork& network) {
  auto checkpoint = std::make_shared<MemoryCheckpoint>(d);
  for (const Place& place : checkpoint->places()) {
    const Parameter p = checkpoint->weight(place);
    const at::Tensor trained = network.parameters().at(p.tensor).detach().to(at::kCPU).contiguous();
    const auto to = checkpoint->values(place);
    std::memcpy(to.data(), trained.data_ptr<float>(), to.size_bytes());
    if (place.part != Part::final_norm) continue;
    for (float& value : to) value *= static_cast<float>(d.logit_scale);
  }
  d.logit_scale = 1;
  ModelFiles out;
  out.reference = out.path = "recall-mini";
  out.format = "memory";
  out.description = d;
  out.checkpoint = checkpoint;
  return out;
}

ModelFiles train(const RecallTraining& training) {
  const ModelDescription d = description();
  ModelFiles start;
  start.description = d;
  start.checkpoint = drawn(d, training.seed);
  TorchNetwork network(start);
  std::vector<at::Tensor> parameters;
  for (const auto& [name, parameter] : network.parameters()) {
    parameters.push_back(at::Tensor(parameter).requires_grad_(true));
  }
  AdamW optimiser(parameters, {.rate = 2e-3, .beta2 = 0.98, .warm_up = 50, .clip = 1});
  Random random(training.seed, kDataStream);
  size_t stage = 0;
  double running = -1;  // of the stage; -1: it begins
  for (int64_t step = 1; step <= training.most_steps; ++step) {
    if (stage == 0 && step > training.patience) break;
    const Batch batch = batch_of(kStages[stage], training.tokens_a_step, random);
    const auto out = network.run(network.embed(tensor_of(batch.ids)), tensor_of(batch.positions),
                                 nullptr, batch.sequences);
    const at::Tensor logits = out.logits.index_select(0, tensor_of(batch.rows));
    const at::Tensor answers = tensor_of(batch.answers);
    const at::Tensor loss = at::cross_entropy_loss(logits, answers);
    loss.backward();
    optimiser.step();
    const double right = logits.detach().argmax(1).eq(answers).to(at::kFloat).mean().item<double>();
    running = running < 0 ? right : 0.95 * running + 0.05 * right;
    if (training.each &&
        !training.each({step, kStages[stage].length, loss.item<double>(), right})) {
      break;
    }
    if (running > (stage == kLast ? kEnough : kNext)) {
      if (stage == kLast) break;
      ++stage;
      running = -1;
    }
  }
  return finished(d, network);
}

}  // namespace

ModelFiles train_recall(const RecallTraining& training) {
  // The same steps on any machine with its kernels; and two threads gain little on tensors as small
  // as these, and lose much when others use the processor.
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  try {
    ModelFiles out = train(training);
    at::set_num_threads(before);
    return out;
  } catch (const c10::Error& e) {
    at::set_num_threads(before);
    throw Error("recall-mini", std::string("libtorch: ") + e.what_without_backtrace());
  }
}

}  // namespace tessera
