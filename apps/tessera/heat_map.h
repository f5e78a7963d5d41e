// Pictures: of a sweep, one panel a policy, lengths across, depths or tasks down; and of heads,
// layers down.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::cli {

struct HeatCell {
  std::string policy;
  int64_t length = 0;
  std::string row;   // "50 %"; rows stand in the order in which they first come
  double right = 0;  // of n; half of what was asked for in a list counts half
  int64_t n = 0;
};

// An SVG document. Cells carry their counts: a colour without its n says nothing.
std::string heat_map(const std::string& title, const std::vector<HeatCell>& cells);

// One number from 0 to 1 a head.
struct HeadPanel {
  std::string name;
  int64_t layers = 0, heads = 0;
  std::vector<double> shares;  // [layers, heads]
};

// An SVG document: panels side by side, layers down, heads across; each cell says its number when
// it is pointed at.
std::string head_map(const std::string& title, const std::vector<HeadPanel>& panels);

}  // namespace tessera::cli
