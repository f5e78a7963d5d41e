// What published systems claim, measured again on texts that a person has.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

struct ReproRequest {
  std::vector<std::string> sources;  // texts: files, folders, archives
  int64_t threads = 1;
  std::function<void(std::string_view)> progress = {};  // takes what a terminal should show
};

// A value and its 95 % interval over `n` items; low == high: there is none.
struct ReproFigure {
  std::string name, what;
  double value = 0, low = 0, high = 0;
  int64_t n = 0;
};

struct ReproClaim {
  std::string claim;
  std::string paper, ours;  // figures as their sources write them
  bool holds = false;
};

struct ReproResult {
  std::vector<ReproFigure> figures;
  std::vector<ReproClaim> claims;
};

struct Repro {
  std::string_view system;  // as in systems()
  std::string_view summary;
  // Throws Error where the texts are too few.
  ReproResult (*run)(const ReproRequest& request);
};

// All that there are, by name.
std::span<const Repro> repros();

}  // namespace tessera
