// checkpoint_probe REF: opens a model and prints, one a line, each parameter's module, kind, shape
// and the sum over its elements of value * (1 + index % 7), for test_checkpoint.py.
#include <cstdio>
#include <exception>

#include "tessera/files/assemble.h"
#include "tessera/files/description_fields.h"
#include "tessera/files/model.h"

namespace {

void print(const char* kind, const tessera::Place& place, const tessera::Parameter& p) {
  if (!p.present()) return;
  std::vector<float> values = tessera::read_all(p);
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += values[i] * static_cast<double>(1 + i % 7);
  std::printf("%s %s %d %lld %lld %lld %lld %.9g\n", kind, p.module.c_str(),
              static_cast<int>(place.part), static_cast<long long>(place.layer),
              static_cast<long long>(place.expert), static_cast<long long>(p.rows),
              static_cast<long long>(p.columns), sum);
}

void print_place(const tessera::Checkpoint& checkpoint, const tessera::Place& place) {
  print("weight", place, checkpoint.weight(place));
  print("bias", place, checkpoint.bias(place));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  tessera::ModelFiles model = tessera::open_model(argv[1]);
  const tessera::ModelDescription& d = model.description;
  for (tessera::Part part : tessera::all_parts()) {
    const int64_t layers = tessera::in_layers(part) ? d.layers : 1;
    for (int64_t layer = 0; layer < layers; ++layer) {
      const int64_t place = tessera::in_layers(part) ? layer : -1;
      for (int64_t e = -1; e < d.experts; ++e) print_place(*model.checkpoint, {part, place, e});
    }
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
