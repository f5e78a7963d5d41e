// The one exception type of the library. Whoever finds a fault throws it; only apps/ and the
// language bindings turn it into text, an exit status or an HTTP answer.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace tessera {

class Error : public std::exception {
 public:
  // where   file, and byte, field or line in it: "model.gguf: byte 16", or "" when there is no
  // place what    what is wrong there, with the numbers as the reader sees them remedy  what to do
  // about it, a sentence; "" when the fault says it all
  Error(std::string where, std::string what, std::string remedy = "");

  // The one line: "where: what. remedy".
  const char* what() const noexcept override { return line_.c_str(); }
  const std::string& where() const { return where_; }
  const std::string& fault() const { return fault_; }
  const std::string& remedy() const { return remedy_; }

  // The same error seen from further out: `place` is put in front of `where`.
  Error within(std::string_view place) const;

 private:
  std::string where_, fault_, remedy_, line_;
};

// The name in `candidates` nearest to `name` by edit distance, or "" when none is near enough to
// be a slip of the pen (distance above 1 + length / 3).
template <class Range>
std::string nearest(std::string_view name, const Range& candidates);

// Levenshtein distance in bytes.
int edit_distance(std::string_view a, std::string_view b);

// " Did you mean NAME?" or "".
template <class Range>
std::string did_you_mean(std::string_view name, const Range& candidates) {
  std::string near = nearest(name, candidates);
  return near.empty() ? "" : "Did you mean " + near + "?";
}

template <class Range>
std::string nearest(std::string_view name, const Range& candidates) {
  std::string best;
  int least = 2 + static_cast<int>(name.size()) / 3;
  for (const auto& c : candidates) {
    int d = edit_distance(name, c);
    if (d < least) {
      least = d;
      best = c;
    }
  }
  return best;
}

}  // namespace tessera
