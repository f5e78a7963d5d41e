// What published systems claim, measured again on texts that a person has.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

struct ReproRequest {
  std::vector<std::string> sources;  // texts: files, folders, archives
  // Files that a repro asks for by a name of its own, such as "gold".
  std::map<std::string, std::string> with = {};
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

// A line of a picture. Charts are told apart by their names.
struct ReproCurve {
  std::string chart, name;
  std::vector<std::pair<double, double>> points;  // x > 0 ascending, drawn on a logarithmic scale
};

struct ReproResult {
  std::vector<ReproFigure> figures;
  std::vector<ReproClaim> claims;
  std::vector<ReproCurve> curves = {};
};

struct Repro {
  std::string_view system;  // as in systems()
  std::string_view summary;
  std::string_view with;  // the names that it knows in ReproRequest::with, separated by blanks
  // Throws Error where the texts are too few.
  ReproResult (*run)(const ReproRequest& request);
};

// All that there are, by name.
std::span<const Repro> repros();

}  // namespace tessera
