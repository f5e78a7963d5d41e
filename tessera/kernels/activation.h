#pragma once

namespace tessera {

enum class Activation { gelu, gelu_tanh, silu, relu, relu_squared, quick_gelu };

}  // namespace tessera
