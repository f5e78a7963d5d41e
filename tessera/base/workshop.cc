#include "tessera/base/workshop.h"

#include <string>

#include <dlfcn.h>

#include "tessera/base/error.h"
#include "tessera/base/version.h"

namespace tessera {
namespace {

// The folder of the library that holds this code.
std::string own_folder() {
  Dl_info info{};
  if (!dladdr(reinterpret_cast<const void*>(&open_workshop), &info) || !info.dli_fname) return "";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

const WorkshopTable* open_once() {
  const std::string path = own_folder() + "libtessera-workshop.so";
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    throw Error(path, std::string("cannot be opened: ") + (reason ? reason : "unknown reason"),
                "Build with -DTESSERA_WORKSHOP=ON (scripts/setup.sh --workshop fetches libtorch).");
  }
  using Entry = const WorkshopTable* (*)();
  auto entry = reinterpret_cast<Entry>(dlsym(library, "tessera_workshop"));
  const WorkshopTable* table = entry ? entry() : nullptr;
  if (!table || table->version != version()) {
    throw Error(path,
                "belongs to version " + std::string(table ? table->version : "unknown") +
                    ", this is " + std::string(version()),
                "Install both from one build.");
  }
  return table;
}

}  // namespace

const WorkshopTable& open_workshop() {
  static const WorkshopTable* table = open_once();
  return *table;
}

}  // namespace tessera
