// Flags that name a method of a seam.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "apps/tessera/verb.h"
#include "tessera/base/guest.h"

namespace tessera::cli {

// Refuses a spec that names no method or misspells its options, before anything is opened.
template <class Interface>
void check_spec(std::string_view flag, const std::string& text) {
  try {
    const Spec spec = Spec::parse(text);
    find_guest<Interface>(spec).canonical(spec);
  } catch (const Error& error) {
    throw WrongCommand(std::string(flag) + " " + error.where(), error.fault(), error.remedy());
  }
}

// The same, and refuses options that do not go together.
template <class Interface>
void check_method(std::string_view flag, const std::string& text) {
  check_spec<Interface>(flag, text);
  try {
    make_guest<Interface>(text);
  } catch (const Error& error) {
    // A damaged or missing file that the spec names is no mistake of the command line.
    const auto options = Spec::parse(text).options;
    if (std::any_of(options.begin(), options.end(),
                    [&](const auto& option) { return error.where().starts_with(option.second); })) {
      throw;
    }
    throw WrongCommand(std::string(flag) + " " + error.where(), error.fault(), error.remedy());
  }
}

}  // namespace tessera::cli
