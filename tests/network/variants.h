// Descriptions that between them use every architectural choice of a ModelDescription.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tessera/files/model_description.h"

namespace tessera::test {

struct Variant {
  std::string name;
  std::function<void(ModelDescription&)> change;
};

std::vector<Variant> variants();
// The tiny description with the variant's changes, checked.
ModelDescription described(const Variant& v);

}  // namespace tessera::test
