// Finds stop strings in a text that comes in pieces. What may be the beginning of a stop string is
// held back until it is decided, and a stop string is never given out, wherever pieces end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// Copies go on independently.
class StopScanner {
 public:
  StopScanner() = default;
  // Empty strings are ignored.
  explicit StopScanner(std::vector<std::string> stops);
  // The text that became certain. Once stopped(), what follows is dropped.
  std::string push(std::string_view text);
  // What was held back: the text ends here and no stop string came.
  std::string finish();
  // A stop string was found. The first one to be complete ends the text, the longest of those that
  // are complete together; so that the result does not depend on where pieces end.
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace tessera
