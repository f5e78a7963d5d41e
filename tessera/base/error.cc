#include "tessera/base/error.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace tessera {
namespace {

// Control characters in a quoted name must not break the promise of one line.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

Error::Error(std::string where, std::string what, std::string remedy)
    : where_(one_line(std::move(where))),
      fault_(one_line(std::move(what))),
      remedy_(one_line(std::move(remedy))) {
  line_ = where_.empty() ? fault_ : where_ + ": " + fault_;
  if (!remedy_.empty()) {
    if (!line_.empty() && line_.back() != '.' && line_.back() != '?') line_ += '.';
    line_ += ' ' + remedy_;
  }
}

Error Error::within(std::string_view place) const {
  std::string outer(place);
  if (!where_.empty()) outer += ": " + where_;
  return Error(outer, fault_, remedy_);
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      int substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace tessera
