// A JSON object of settings whose every key must be accounted for: asked for, known to be inert, or
// refused by name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// A key whose value is null counts as absent. Copies share the text and the record of keys used.
class Config {
 public:
  // Throws Error when `json` is no JSON object. `where` is the file's name for errors.
  Config(std::string_view json, std::string where);
  // An object without keys.
  static Config empty(std::string where);

  const std::string& where() const { return where_; }
  bool has(std::string_view key) const;

  // Values by type: std::nullopt when absent; Error naming the key when of another type. Each marks
  // its key as used.
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  std::optional<Config> object(std::string_view key) const;
  // Objects of an array of objects; empty when absent.
  std::vector<Config> objects(std::string_view key) const;
  // Arrays, empty when absent. integers() takes a single number for an array of one.
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  std::vector<std::string> strings(std::string_view key) const;
  bool is_string(std::string_view key) const;
  bool is_object(std::string_view key) const;

  // As integer(), but Error when absent.
  int64_t required(std::string_view key) const;
  // The first of several names of a setting that is there; marks all of them as used.
  std::optional<int64_t> integer_of(std::initializer_list<std::string_view> keys) const;

  // Refuses a boolean setting that is not what the build serves.
  void expect(std::string_view key, bool value) const;
  void mark_used(std::string_view key) const;
  std::vector<std::string> keys() const;
  // Keys (with a value) that were not asked for.
  std::vector<std::string> unused() const;

  // An Error at `key`.
  [[noreturn]] void refuse(std::string_view key, const std::string& what,
                           const std::string& remedy = "") const;

 private:
  struct State;
  explicit Config(std::shared_ptr<State> state, std::string where);
  std::shared_ptr<State> state_;
  std::string where_;
};

}  // namespace tessera
