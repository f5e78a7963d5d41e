#include "tessera/tokenizer/json_value.h"

namespace tessera {
namespace {

// The parser's own limit of nesting; it finds out only behind an index of the whole text.
constexpr size_t kDeepest = 1024;
constexpr size_t kCheckedAhead = size_t{32} << 20;

// The byte at which brackets lie deeper than the parser allows; npos: nowhere.
size_t too_deep(std::string_view json) {
  size_t depth = 0;
  bool inside = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (inside) {
      if (c == '\\') ++i;
      inside = c != '"';
    } else if (c == '"') {
      inside = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) return i;
    } else if (c == ']' || c == '}') {
      if (depth > 0) --depth;
    }
  }
  return std::string_view::npos;
}

}  // namespace

simdjson::dom::element parse_json(simdjson::dom::parser& parser, std::string_view json,
                                  const std::string& where) {
  constexpr const char* kRemedy = "Get the file again, or name another one.";
  if (json.size() > kCheckedAhead) {
    if (const size_t at = too_deep(json); at != std::string_view::npos) {
      throw Error(where + ": byte " + std::to_string(at),
                  "is not a tokenizer.json: nested deeper than 1,024 levels", kRemedy);
    }
  }
  simdjson::dom::element top;
  if (auto error = parser.parse(json.data(), json.size()).get(top)) {
    throw Error(where, std::string("is not a tokenizer.json: ") + simdjson::error_message(error),
                kRemedy);
  }
  return top;
}

}  // namespace tessera
