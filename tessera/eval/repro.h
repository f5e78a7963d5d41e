// What published systems claim, measured again: on texts that a person has, on the model that they
// use, or on recall-mini (recall_mini.h).
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
  std::vector<std::string> sources = {};  // texts: files, folders, archives
  // Files that a repro asks for by a name of its own, such as "gold".
  std::map<std::string, std::string> with = {};
  std::string model = {};  // reference of the model, as open_model() takes it
  int64_t items = 0;       // of a cell; 0: as many as take a few minutes
  uint64_t seed = 1;
  int64_t threads = 1;
  std::function<void(std::string_view)> progress = {};  // takes what a terminal should show
  std::function<bool()> stopped = {};                   // whether nobody waits any longer
};

// What a run throws that was stopped: nothing of it is worth showing.
struct ReproStopped {};

// A value and its 95 % interval over `n` items; low == high: there is none.
struct ReproFigure {
  std::string name, what;
  double value = 0, low = 0, high = 0;
  int64_t n = 0;
};

enum class ReproVerdict : uint8_t {
  holds,
  fails,
  open,    // the interval leaves both possible
  nothing  // the model or the texts cannot show it
};

constexpr ReproVerdict verdict_of(bool holds) {
  return holds ? ReproVerdict::holds : ReproVerdict::fails;
}

struct ReproClaim {
  std::string claim;
  std::string paper, ours;  // figures as their sources write them
  ReproVerdict verdict = ReproVerdict::fails;
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
  bool texts = false;     // whether it needs sources; else it takes none
  // Throws Error where the texts are too few.
  ReproResult (*run)(const ReproRequest& request);
};

// All that there are, by name.
std::span<const Repro> repros();

}  // namespace tessera
