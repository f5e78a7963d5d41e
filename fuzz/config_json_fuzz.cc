// Any bytes as a config.json, described for every family. A description that passes must survive
// the questions that the rest of the library asks of one.
#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz/refusal.h"
#include "tessera/base/error.h"
#include "tessera/files/assemble.h"
#include "tessera/files/config.h"
#include "tessera/files/family.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const tessera::Family& family : tessera::families()) {
    try {
      const tessera::Config config(text, "config.json");
      std::vector<std::string> inert;
      const tessera::ModelDescription d = tessera::describe(family, config, {}, inert);
      for (tessera::Part part : tessera::all_parts()) {
        const int64_t last = tessera::in_layers(part) ? d.layers - 1 : -1;
        const tessera::PartShape shape = tessera::shape_of(d, part, last);
        if (shape.rows < 0 || shape.columns < 0) __builtin_trap();
      }
    } catch (const tessera::Error& error) {
      tessera::fuzz::expect_one_line(error);
    }
  }
  return 0;
}
