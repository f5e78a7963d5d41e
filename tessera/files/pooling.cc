#include "tessera/files/pooling.h"

#include <filesystem>

#include "tessera/base/error.h"
#include "tessera/base/mapped_file.h"
#include "tessera/files/config.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

struct Way {
  const char* flag;  // of the older format, one boolean a way
  const char* name;  // of the newer format, one string
  Pooling pooling;
};
constexpr Way kWays[] = {{"pooling_mode_cls_token", "cls", Pooling::cls},
                         {"pooling_mode_mean_tokens", "mean", Pooling::mean},
                         {"pooling_mode_max_tokens", "max", Pooling::max},
                         {"pooling_mode_lasttoken", "lasttoken", Pooling::last}};

Pooling pooling_of(const Config& c) {
  Pooling found = Pooling::none;
  auto take = [&](Pooling way) {
    if (found != Pooling::none) c.refuse("pooling_mode", "joins several ways, which is not served");
    found = way;
  };
  auto mode = c.string("pooling_mode");
  for (const Way& way : kWays) {
    if (c.boolean(way.flag).value_or(false) || (mode && *mode == way.name)) take(way.pooling);
  }
  c.expect("pooling_mode_mean_sqrt_len_tokens", false);
  c.expect("pooling_mode_weightedmean_tokens", false);
  if (found == Pooling::none) {
    c.refuse("pooling_mode", "names no way that Tessera serves: cls, mean, max, lasttoken");
  }
  return found;
}

}  // namespace

void read_pooling(const std::string& folder, ModelDescription& d) {
  const fs::path list = fs::path(folder) / "modules.json";
  std::error_code ignored;
  if (!fs::is_regular_file(list, ignored)) return;
  MappedFile file(list.string());
  // An array at the top: wrapped, so that one reader of settings serves.
  std::string text = "{\"modules\":";
  text.append(file.text()).append("}");
  Config wrapped(text, list.string());
  for (const Config& module : wrapped.objects("modules")) {
    const std::string type = module.string("type").value_or("");
    const std::string kind = type.substr(type.rfind('.') + 1);
    const std::string path = module.string("path").value_or("");
    if (kind == "Transformer") {
      if (!path.empty()) module.refuse("path", "puts the encoder in a folder of its own");
    } else if (kind == "Pooling") {
      if (path.find("..") != std::string::npos || path.starts_with('/')) {
        module.refuse("path", "leads out of the folder");
      }
      const fs::path config = fs::path(folder) / path / "config.json";
      MappedFile settings(config.string());
      d.pooling = pooling_of(Config(settings.text(), config.string()));
    } else if (kind == "Normalize") {
      d.pooled_normalised = true;
    } else {
      module.refuse("type",
                    "is \"" + shown(type) + "\"; Tessera serves Transformer, Pooling, Normalize");
    }
  }
}

int64_t read_longest_text(const std::string& folder) {
  const fs::path path = fs::path(folder) / "sentence_bert_config.json";
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return 0;
  MappedFile file(path.string());
  const Config settings(file.text(), path.string());
  const int64_t longest = settings.integer("max_seq_length").value_or(0);
  if (longest < 0) settings.refuse("max_seq_length", "is negative");
  return longest;
}

}  // namespace tessera
