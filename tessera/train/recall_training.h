// Trains recall-mini (eval/recall_mini.h), by the network's own forward pass.
#pragma once

#include "tessera/eval/recall_mini.h"

namespace tessera {

// Sequences grow from 16 symbols with 2 pairs of 8 keys to 256 with 32 of 32, each time that nine
// of ten questions are answered, and the last stage ends when hardly one is missed. All the time
// goes into the first stage, until the model has found that a key is to be looked up: with few
// pairs and few keys it finds that in a third of the steps that 32 keys take. Gives a Llama of two
// layers in memory, trained for as many steps as it took, however good it is. Throws Error for what
// libtorch refuses.
ModelFiles train_recall(const RecallTraining& training);

}  // namespace tessera
