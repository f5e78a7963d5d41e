// Method specs: the one grammar by which every method of every seam is named and configured.
//
//   name[:key=value{,key=value}]
//
// A value is bare (up to the next comma) or in double quotes, where \" and \\ stand for themselves.
// Keys may come in any order and at most once. There are no positional values.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

struct Spec {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;

  // Throws Error with the column of the fault.
  static Spec parse(std::string_view text);
  // Reads back to the same spec.
  std::string text() const;
};

// One option of a method as help, docs and `tessera list --json` show it.
struct OptionDoc {
  std::string key, type, standard, range, meaning;
};

// Bounds of a numeric option; the default is "any value".
struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  std::string text() const;
};
inline Range at_least(double least) { return {.least = least}; }
inline Range between(double least, double most) { return {.least = least, .most = most}; }

// A method declares its options once, in a function found beside the options struct:
//
//   template <class V> void fields(V& v, StreamingOptions& o) {
//     v("sinks", o.sinks, "first tokens that are never evicted", at_least(0));
//   }
//
// The visitors below read them from a spec, print the canonical spec and document them. Option
// types: int64_t, double, bool (on|off), std::string. A choice is a string with the list of values.

// Sets options from a spec. Throws Error for an unknown key (with the nearest known one), a
// malformed value, and a value outside its range, each naming the spec and the key.
class SpecReader {
 public:
  explicit SpecReader(const Spec& spec) : spec_(spec) {}
  void operator()(std::string_view key, int64_t& value, std::string_view meaning, Range range = {});
  void operator()(std::string_view key, double& value, std::string_view meaning, Range range = {});
  void operator()(std::string_view key, bool& value, std::string_view meaning);
  void operator()(std::string_view key, std::string& value, std::string_view meaning,
                  const std::vector<std::string>& choices = {});
  // Refuses keys that no field asked for. Call last.
  void finish() const;

 private:
  const std::string* find(std::string_view key);
  [[noreturn]] void refuse(std::string_view key, std::string_view text,
                           std::string_view wanted) const;
  const Spec& spec_;
  std::vector<std::string> known_;
};

// Collects the documentation, with the values of a default-constructed options struct as defaults.
class SpecDocs {
 public:
  void operator()(std::string_view key, int64_t& value, std::string_view meaning, Range range = {});
  void operator()(std::string_view key, double& value, std::string_view meaning, Range range = {});
  void operator()(std::string_view key, bool& value, std::string_view meaning);
  void operator()(std::string_view key, std::string& value, std::string_view meaning,
                  const std::vector<std::string>& choices = {});
  std::vector<OptionDoc> docs;
};

template <class Options>
Options read_options(const Spec& spec) {
  Options options;
  SpecReader reader(spec);
  fields(reader, options);
  reader.finish();
  return options;
}

template <class Options>
std::vector<OptionDoc> option_docs() {
  Options options;
  SpecDocs docs;
  fields(docs, options);
  return docs.docs;
}

// The canonical text: keys in declared order, values equal to the default left out.
template <class Options>
std::string canonical(std::string_view name, Options options) {
  SpecDocs now;
  fields(now, options);
  std::vector<OptionDoc> standard = option_docs<Options>();
  Spec spec{std::string(name), {}};
  for (size_t i = 0; i < standard.size(); ++i) {
    if (now.docs[i].standard != standard[i].standard) {
      spec.options.emplace_back(standard[i].key, now.docs[i].standard);
    }
  }
  return spec.text();
}

}  // namespace tessera
