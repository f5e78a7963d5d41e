// What numbers of the command line must be.
#pragma once

#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tessera::cli {

inline CLI::Validator number_that(bool (*holds)(double), const std::string& what,
                                  const std::string& name) {
  return {[=](const std::string& text) {
            double number = 0;
            return CLI::detail::lexical_cast(text, number) && holds(number)
                       ? std::string()
                       : fmt::format("\"{}\" is no number {}", text, what);
          },
          name};
}

// Messages name the bound and the number, which CLI::PositiveNumber's do not in a way to be read.
inline CLI::Validator above_zero() {
  return number_that([](double n) { return n > 0; }, "above 0", "POSITIVE");
}
inline CLI::Validator from_zero() {
  return number_that([](double n) { return n >= 0; }, "from 0 on", "NONNEGATIVE");
}

}  // namespace tessera::cli
