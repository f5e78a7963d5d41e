// `calibrate --report`: the attention sinks in the paragraphs of a text.
#pragma once

#include <string>

#include "apps/tessera/verb.h"
#include "tessera/context/sinks.h"

namespace tessera::cli {

struct SinksOfText {
  CommonOptions common;
  std::string file, output, svg;  // output: every sink as JSON; "" for none
  SinkRule rule;
  // Gives the exit status.
  int run() const;
};

}  // namespace tessera::cli
