// The tables of methods ("guests") at each seam. CMake generates them from the rooms' guests.list;
// help, `tessera list`, the docs index and the law tests are derived from them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/base/spec.h"

namespace tessera {

// What is known of a method without making one.
struct GuestEntry {
  std::string seam;     // "context"
  std::string name;     // "streaming"
  std::string summary;  // what it is for and what it cannot do, one line
  std::string system;   // name of the system it belongs to, "" for a baseline
  std::string source;   // paper, "" where there is none
  std::string limit;    // the spec at which it equals the seam's default, or "oracle: NAME"
  std::vector<OptionDoc> options = {};
};

template <class Interface>
struct Guest {
  GuestEntry entry;
  std::function<std::unique_ptr<Interface>(const Spec&)> make;
  std::function<std::string(const Spec&)> canonical;  // canonical text of a valid spec
};

// A row of a table; options, reader and printer follow from the factory's parameter.
template <class Interface, class Options>
Guest<Interface> guest(GuestEntry entry, std::unique_ptr<Interface> (*factory)(const Options&)) {
  entry.options = option_docs<Options>();
  std::string name = entry.name;
  return {std::move(entry),
          [factory](const Spec& spec) { return factory(read_options<Options>(spec)); },
          [name](const Spec& spec) { return canonical(name, read_options<Options>(spec)); }};
}

// The generated table of a seam, in the order of its guests.list; the first one is the default.
template <class Interface>
const std::vector<Guest<Interface>>& guests();

// Every guest of every seam.
std::vector<GuestEntry> all_guests();

template <class Interface>
GuestEntry entry_of(const Guest<Interface>& g) {
  return g.entry;
}

// The row that `spec` names. Throws Error with the nearest name when there is none.
template <class Interface>
const Guest<Interface>& find_guest(const Spec& spec) {
  std::vector<std::string> names;
  for (const auto& g : guests<Interface>()) {
    if (g.entry.name == spec.name) return g;
    names.push_back(g.entry.name);
  }
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
  throw Error(spec.text(), "no such method; there are " + list, did_you_mean(spec.name, names));
}

template <class Interface>
std::unique_ptr<Interface> make_guest(std::string_view spec_text) {
  Spec spec = Spec::parse(spec_text);
  return find_guest<Interface>(spec).make(spec);
}

// The default method of a seam.
template <class Interface>
std::unique_ptr<Interface> make_default_guest() {
  return make_guest<Interface>(guests<Interface>().front().entry.name);
}

}  // namespace tessera
