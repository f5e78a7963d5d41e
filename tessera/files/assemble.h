// Puts the tensors of a file in their places in a network, and refuses what does not fit.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tessera/files/checkpoint.h"
#include "tessera/files/family.h"
#include "tessera/files/stored_tensor.h"

namespace tessera {

struct AssembleOptions {
  std::string where;                            // the file, for errors
  std::vector<PartName> names;                  // as the file names the parts
  bool find_prefix = true;                      // the file may put a prefix of its own in front
  std::vector<std::string_view> inert_tensors;  // patterns
  std::vector<std::string> assume_inert;        // names a person accepts as inert
};

// Every part that `d` asks for must be there, in the right shape; every tensor must have a part or
// be inert. `family` gives the modules' canonical names. The result keeps `files` alive.
std::shared_ptr<Checkpoint> assemble(const ModelDescription& d, const Family& family,
                                     const std::vector<StoredTensor>& tensors,
                                     std::shared_ptr<const TensorFiles> files,
                                     const AssembleOptions& options);

// The shape that `d` asks for at a part of a layer (-1: outside the layers); rows is 1 for norms.
// rows is 0 where there is no such part.
struct PartShape {
  int64_t rows = 0, columns = 0;
};
PartShape shape_of(const ModelDescription& d, Part part, int64_t layer);
bool is_norm(Part part);
bool in_layers(Part part);
// Every value of Part.
std::span<const Part> all_parts();

}  // namespace tessera
