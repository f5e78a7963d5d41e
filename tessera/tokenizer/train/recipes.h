// Names for a trainer with options that belong together.
#pragma once

#include <string>
#include <string_view>

#include "tessera/tokenizer/train/trainer.h"

namespace tessera {

// What `recipe`, domain or char with more of the trainer's options ("char:max-chars=4"), stands
// for: a trainer's spec; the request's special tokens and normaliser are those of the recipe where
// the request leaves them open. Throws Error for a name that is none.
std::string recipe_spec(std::string_view recipe, TrainingRequest& request);

}  // namespace tessera
