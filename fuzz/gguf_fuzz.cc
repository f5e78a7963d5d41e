// Any bytes as a GGUF file: read, asked for every value, opened as a model, every weight read.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "fuzz/refusal.h"
#include "tessera/base/error.h"
#include "tessera/files/assemble.h"
#include "tessera/files/gguf_model.h"

namespace {

void ask_for_everything(const tessera::GgufFile& file) {
  for (const auto& [key, value] : file.metadata()) {
    auto ask = [&key = key](auto get) {
      try {
        get(key);
      } catch (const tessera::Error& error) {
        tessera::fuzz::expect_one_line(error);
      }
    };
    ask([&](std::string_view k) { file.integer(k); });
    ask([&](std::string_view k) { file.number(k); });
    ask([&](std::string_view k) { file.boolean(k); });
    ask([&](std::string_view k) { file.string(k); });
    ask([&](std::string_view k) { file.strings(k); });
    ask([&](std::string_view k) { file.integers(k); });
    ask([&](std::string_view k) { file.numbers(k); });
  }
}

void read_weights(const tessera::GgufModel& model) {
  const tessera::ModelDescription& d = model.description;
  for (tessera::Part part : tessera::all_parts()) {
    const int64_t first = tessera::in_layers(part) ? 0 : -1;
    const int64_t end = tessera::in_layers(part) ? d.layers : 0;
    for (int64_t layer = first; layer < end; ++layer) {
      for (int64_t expert = -1; expert < d.experts; ++expert) {
        for (const tessera::Parameter& p : {model.checkpoint->weight({part, layer, expert}),
                                            model.checkpoint->bias({part, layer, expert})}) {
          if (p.present()) tessera::read_all(p);
        }
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    auto file = std::make_shared<const tessera::GgufFile>(
        std::span(reinterpret_cast<const std::byte*>(data), size), "fuzz.gguf");
    ask_for_everything(*file);
    read_weights(tessera::open_gguf_model(file, {}));
  } catch (const tessera::Error& error) {
    tessera::fuzz::expect_one_line(error);
  }
  return 0;
}
