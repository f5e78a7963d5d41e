// A value of a tokenizer file together with its place in it, so that every refusal names file and
// JSON path.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

#include "tessera/base/error.h"
#include "tessera/files/shown.h"

namespace tessera {

// The document in `json`, which lives as long as `parser`. Throws Error naming `where`. Memory is
// bounded by a multiple of the text, also where it is hostile: nesting is looked at before a large
// text is parsed.
simdjson::dom::element parse_json(simdjson::dom::parser& parser, std::string_view json,
                                  const std::string& where);

class JsonValue {
 public:
  JsonValue(simdjson::dom::element element, std::string file, std::string path)
      : element_(element), file_(std::move(file)), path_(std::move(path)) {}

  const simdjson::dom::element& element() const { return element_; }
  bool is_null() const { return element_.is_null(); }
  bool is_object() const { return element_.is_object(); }
  bool is_array() const { return element_.is_array(); }
  bool is_string() const { return element_.is_string(); }

  [[noreturn]] void refuse(const std::string& what, const std::string& remedy = "") const {
    throw Error(file_ + ": " + (path_.empty() ? "the top" : path_), what, remedy);
  }
  // Runs `make` and puts file and path in front of its Error.
  template <class Make>
  auto at_this_place(const Make& make) const {
    try {
      return make();
    } catch (const Error& e) {
      throw e.within(file_ + ": " + path_);
    }
  }

  // Members that are absent or null are std::nullopt.
  std::optional<JsonValue> find(std::string_view name) const {
    simdjson::dom::object object = as_object();
    simdjson::dom::element found;
    if (object.at_key(name).get(found) || found.is_null()) return std::nullopt;
    return JsonValue(found, file_,
                     path_.empty() ? std::string(name) : path_ + "." + std::string(name));
  }
  JsonValue require(std::string_view name) const {
    auto found = find(name);
    if (!found) refuse(shown(name) + " is missing");
    return *found;
  }
  bool boolean(std::string_view name, bool standard) const {
    auto v = find(name);
    return v ? v->as_bool() : standard;
  }
  int64_t integer(std::string_view name, int64_t standard) const {
    auto v = find(name);
    return v ? v->as_integer() : standard;
  }
  std::string text(std::string_view name, std::string_view standard) const {
    auto v = find(name);
    return std::string(v ? v->as_text() : standard);
  }
  // Refuses members that are not in `known`.
  void only(std::initializer_list<std::string_view> known) const {
    for (auto [key, value] : as_object()) {
      bool found = false;
      for (auto k : known) found = found || k == key;
      if (!found) refuse(shown(key) + " is not supported here");
    }
  }

  bool as_bool() const { return get<bool>("true or false"); }
  int64_t as_integer() const { return get<int64_t>("a whole number"); }
  std::string_view as_text() const { return get<std::string_view>("a string"); }
  simdjson::dom::object as_object() const { return get<simdjson::dom::object>("an object"); }
  simdjson::dom::array as_array() const { return get<simdjson::dom::array>("an array"); }
  std::vector<JsonValue> items() const {
    std::vector<JsonValue> out;
    for (simdjson::dom::element e : as_array()) out.push_back(item(e, out.size()));
    return out;
  }
  JsonValue item(simdjson::dom::element e, size_t index) const {
    return {e, file_, path_ + "[" + std::to_string(index) + "]"};
  }
  JsonValue member(simdjson::dom::element e, std::string_view name) const {
    return {e, file_, path_ + "[\"" + std::string(name.substr(0, 80)) + "\"]"};
  }

 private:
  template <class T>
  T get(const char* wanted) const {
    T value;
    if (element_.get(value)) refuse(std::string("is not ") + wanted);
    return value;
  }

  simdjson::dom::element element_;
  std::string file_, path_;
};

}  // namespace tessera
