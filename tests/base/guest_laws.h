// What every guest of every seam must keep, whoever wrote it. A room's laws_test.cc calls
// expect_guest_laws<Interface>() and adds the laws of its own seam.
#pragma once

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/base/systems.h"

namespace tessera {

template <class Interface>
void expect_refused(const Guest<Interface>& guest, const std::string& key,
                    const std::string& value) {
  std::string name = guest.entry.name;
  Spec spec{name, {{key, value}}};
  SCOPED_TRACE(spec.text());
  try {
    guest.make(spec);
    ADD_FAILURE() << "was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
  }
}

// A value of the option that is not its default and lies in its range; "" when none is known.
inline std::string other_value(const OptionDoc& option) {
  if (option.type == "switch") return option.standard == "on" ? "off" : "on";
  if (option.range.find(", ") != std::string::npos) {
    std::string first = option.range.substr(0, option.range.find(','));
    return first != option.standard ? first : option.range.substr(option.range.rfind(' ') + 1);
  }
  if (option.range.starts_with("at least ")) {
    std::string least = option.range.substr(9);
    return least != option.standard ? least : std::to_string(std::stoll(least) + 1);
  }
  if (size_t to = option.range.find(" to "); to != std::string::npos) {
    std::string least = option.range.substr(0, to);
    return least != option.standard ? least : option.range.substr(to + 4);
  }
  return "";
}

template <class Interface>
void expect_guest_laws() {
  ASSERT_FALSE(guests<Interface>().empty());
  for (const Guest<Interface>& guest : guests<Interface>()) {
    const GuestEntry& entry = guest.entry;
    SCOPED_TRACE(entry.seam + " " + entry.name);
    EXPECT_FALSE(entry.summary.empty());
    EXPECT_FALSE(entry.limit.empty());
    if (!entry.system.empty()) {
      EXPECT_NE(find_system(entry.system), nullptr) << entry.system << " is none of the systems";
    }
    const std::string page = "docs/" + entry.seam + "/" + entry.name + ".md";
    EXPECT_TRUE(std::filesystem::exists(page) || std::filesystem::exists("examples/guest/" + page))
        << page << " is missing";
    // The spec prints and reads back.
    EXPECT_EQ(guest.canonical(Spec::parse(entry.name)), entry.name);
    for (const OptionDoc& option : entry.options) {
      EXPECT_FALSE(option.meaning.empty()) << option.key;
      std::string value = other_value(option);
      if (value.empty()) continue;
      Spec spec{entry.name, {{option.key, value}}};
      std::string printed = guest.canonical(spec);
      EXPECT_EQ(printed, spec.text());
      EXPECT_EQ(guest.canonical(Spec::parse(printed)), printed);
    }
    // Bad values are refused by name.
    expect_refused(guest, "no-such-key", "1");
    for (const OptionDoc& option : entry.options) {
      if (option.type != "text" || option.range.find(", ") != std::string::npos) {
        expect_refused(guest, option.key, "never a value");
      }
      if (option.type == "whole number") expect_refused(guest, option.key, "0.5");
      if (option.type == "number") expect_refused(guest, option.key, "nan");
      if (size_t to = option.range.find(" to "); to != std::string::npos) {
        expect_refused(guest, option.key,
                       std::to_string(std::stod(option.range.substr(to + 4)) + 1));
        expect_refused(guest, option.key,
                       std::to_string(std::stod(option.range.substr(0, to)) - 1));
      } else if (option.range.starts_with("at least ")) {
        expect_refused(guest, option.key, std::to_string(std::stoll(option.range.substr(9)) - 1));
      }
    }
  }
}

}  // namespace tessera
