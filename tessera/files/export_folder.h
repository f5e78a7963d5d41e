// A model of any file as a folder that the Hugging Face libraries open.
#pragma once

#include <functional>
#include <string>

#include "tessera/files/convert_model.h"
#include "tessera/files/model.h"

namespace tessera {

// Writes config.json, model.safetensors (matrices as options.type: f32, f16 or bf16; norms and
// biases too), tokenizer.json (a copy of the file that `tokenizer_json` names, which is asked once
// everything that the model alone decides fits) and tokenizer_config.json with the chat template;
// neither of the two for a model without vocabulary, where `tokenizer_json` is empty. The folder is
// opened again, and must describe the same network with the same weights, before it gets its name.
// Throws Error when `folder` is there already, for a family that is not written, for what its
// config.json cannot say, and for weights that are not finite.
Retyped export_folder(const ModelFiles& model, const std::function<std::string()>& tokenizer_json,
                      const std::string& folder, const RetypeOptions& options);

}  // namespace tessera
