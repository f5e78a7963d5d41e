// A model of any file as one GGUF that other programs run.
#pragma once

#include <functional>
#include <string>

#include "tessera/files/convert_model.h"
#include "tessera/files/model.h"

namespace tessera {

// Writes the decoder `model` under the names of llama.cpp: matrices as options.type, norms (Gemma's
// with the 1 that its network adds) and biases as f32, experts one after the other in a tensor,
// with everything that the GGUF file named by `vocabulary` says under `tokenizer.`; it is asked
// once everything that the model alone decides fits. Rows of the table behind its last token are
// unused tokens. What was written is opened again, and must describe the same network with the same
// weights; on failure no file is left. Retyped counts the source's bytes as before.
//
// Throws Error for a family that has no architecture here, for what GGUF's metadata cannot say of
// this one (the field that would be lost is named), for a vocabulary of more tokens than the
// model's table has rows, and for weights that are no finite numbers.
Retyped export_gguf(const ModelFiles& model, const std::function<std::string()>& vocabulary,
                    const std::string& path, const RetypeOptions& options);

}  // namespace tessera
