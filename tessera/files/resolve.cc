#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tessera/base/error.h"
#include "tessera/files/model.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Weights of a folder, followed through the links of a cache.
uint64_t weight_bytes(const fs::path& folder) {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".safetensors") {
      uint64_t size = entry.file_size(ignored);
      if (!ignored) bytes += size;
    }
  }
  return bytes;
}

// A later part of a split file, "-00002-of-00003".
bool is_later_part(const std::string& stem) {
  size_t of = stem.rfind("-of-");
  return of != std::string::npos && of >= 6 && stem.size() == of + 9 && stem[of - 6] == '-' &&
         stem.compare(of - 5, 5, "00001") != 0;
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> hub_folders() {
  std::vector<std::string> out;
  if (auto v = variable("HF_HUB_CACHE"); !v.empty()) out.push_back(v);
  if (auto v = variable("HF_HOME"); !v.empty()) out.push_back(v + "/hub");
  if (auto v = variable("HOME"); !v.empty()) out.push_back(v + "/.cache/huggingface/hub");
  return out;
}

// The snapshot that refs/main names; "" when there is none.
std::string snapshot_of(const fs::path& repository) {
  std::ifstream file(repository / "refs" / "main");
  std::string commit;
  file >> commit;
  // The name of a folder beside it, never a path.
  if (commit.empty() || commit.size() > 64 || commit.find('/') != std::string::npos ||
      commit.starts_with('.')) {
    return "";
  }
  fs::path snapshot = repository / "snapshots" / commit;
  std::error_code ignored;
  return fs::is_directory(snapshot, ignored) ? snapshot.string() : "";
}

std::string list_of(const std::vector<InstalledModel>& models) {
  std::string out;
  for (const auto& m : models) out += (out.empty() ? "" : ", ") + m.name;
  return out;
}

}  // namespace

std::string models_folder() {
  if (auto home = variable("TESSERA_HOME"); !home.empty()) return home;
  if (auto data = variable("XDG_DATA_HOME"); !data.empty()) return data + "/tessera/models";
  return variable("HOME") + "/.local/share/tessera/models";
}

std::vector<InstalledModel> installed_models() {
  std::vector<InstalledModel> out;
  std::error_code ignored;
  for (const fs::path& path : sorted_entries(models_folder())) {
    const std::string stem = path.stem().string();
    if (path.extension() == ".gguf" && !is_later_part(stem)) {
      uint64_t bytes = fs::file_size(path, ignored);
      out.push_back({stem, path.string(), "gguf", ignored ? 0 : bytes});
    } else if (fs::exists(path / "config.json", ignored)) {
      out.push_back({path.filename().string(), path.string(), "safetensors", weight_bytes(path)});
    }
  }
  for (const std::string& hub : hub_folders()) {
    for (const fs::path& path : sorted_entries(hub)) {
      std::string name = path.filename().string();
      if (!name.starts_with("models--")) continue;
      std::string snapshot = snapshot_of(path);
      if (snapshot.empty() || !fs::exists(fs::path(snapshot) / "config.json", ignored)) continue;
      name.erase(0, 8);
      size_t mark = name.find("--");
      if (mark != std::string::npos) name = name.substr(0, mark) + '/' + name.substr(mark + 2);
      auto same = [&](const InstalledModel& m) { return m.name == name; };
      if (std::any_of(out.begin(), out.end(), same)) continue;
      out.push_back({name, snapshot, "safetensors", weight_bytes(snapshot)});
    }
  }
  return out;
}

std::string resolve_model(const std::string& reference) {
  std::error_code ignored;
  if (reference.empty()) throw Error("model", "the reference is empty", "Name a model.");
  if (fs::exists(reference, ignored)) return reference;
  std::vector<InstalledModel> models = installed_models();
  const std::string wanted = lower(reference);
  std::vector<InstalledModel> near;
  for (const InstalledModel& m : models) {
    const std::string name = lower(m.name);
    if (name == wanted || name + ".gguf" == wanted) return m.path;
    if (name.find(wanted) != std::string::npos) near.push_back(m);
  }
  if (near.size() == 1) return near[0].path;
  if (near.size() > 1) {
    throw Error("model " + shown(reference), "fits " + list_of(near), "Write one of them out.");
  }
  std::string what = "there is no such file, folder or model";
  if (models.empty()) {
    what += ", and no models in " + models_folder();
  } else {
    what += "; there are " + list_of(models);
  }
  std::vector<std::string> names;
  names.reserve(models.size());
  for (const auto& m : models) names.push_back(m.name);
  std::string hint = did_you_mean(reference, names);
  throw Error("model " + shown(reference), what,
              !hint.empty() ? hint
                            : "Name one of these, a path, or run scripts/run.sh once: it "
                              "fetches the default model.");
}

}  // namespace tessera
