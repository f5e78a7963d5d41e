// quantise_probe dequantise|quantise TYPE ELEMENTS < bytes > bytes: the library's conversion of
// stored elements, for test_quantise.py.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tessera/files/quantise.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const bool reading = std::string(argv[1]) == "dequantise";
  const auto type = static_cast<tessera::DType>(std::atoi(argv[2]));
  const long elements = std::atol(argv[3]);
  std::vector<float> values(static_cast<size_t>(elements));
  std::vector<std::byte> bytes(static_cast<size_t>(tessera::bytes_of(type, elements)));
  auto floats = std::as_writable_bytes(std::span(values));
  std::span<std::byte> in = reading ? std::span(bytes) : floats;
  std::span<std::byte> out = reading ? floats : std::span(bytes);
  if (std::fread(in.data(), 1, in.size(), stdin) != in.size()) return 1;
  if (reading) {
    tessera::dequantise(type, bytes, values);
  } else {
    tessera::quantise(type, values, bytes);
  }
  return std::fwrite(out.data(), 1, out.size(), stdout) == out.size() ? 0 : 1;
}
