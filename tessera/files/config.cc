#include "tessera/files/config.h"

#include <set>

#include <simdjson.h>

#include "tessera/base/error.h"
#include "tessera/files/shown.h"

namespace tessera {
namespace {

using simdjson::dom::element;

// Far above any real settings file; bounds what parsing may allocate.
constexpr size_t kMostBytes = size_t{16} << 20;

}  // namespace

struct Config::State {
  std::shared_ptr<simdjson::dom::parser> parser;  // owns what `object` points into
  simdjson::dom::object object;
  std::set<std::string, std::less<>> used;

  // The value of `key`; std::nullopt when absent or null.
  std::optional<element> get(std::string_view key) const {
    element value;
    if (object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
    return value;
  }
};

Config::Config(std::shared_ptr<State> state, std::string where)
    : state_(std::move(state)), where_(std::move(where)) {}

Config::Config(std::string_view json, std::string where)
    : state_(std::make_shared<State>()), where_(std::move(where)) {
  if (json.size() > kMostBytes) {
    throw Error(where_, "is " + std::to_string(json.size()) + " bytes long; settings of up to " +
                            std::to_string(kMostBytes) + " are read");
  }
  state_->parser = std::make_shared<simdjson::dom::parser>();
  element root;
  auto fault = state_->parser->parse(json.data(), json.size()).get(root);
  if (fault != simdjson::SUCCESS) {
    throw Error(where_, std::string("is not JSON: ") + simdjson::error_message(fault),
                "Get the file again.");
  }
  if (root.get(state_->object) != simdjson::SUCCESS) {
    throw Error(where_, "is not a JSON object", "Get the file again.");
  }
}

Config Config::empty(std::string where) { return Config("{}", std::move(where)); }

void Config::refuse(std::string_view key, const std::string& what,
                    const std::string& remedy) const {
  throw Error(where_ + ": " + shown(key), what, remedy);
}

bool Config::has(std::string_view key) const { return state_->get(key).has_value(); }

void Config::mark_used(std::string_view key) const { state_->used.emplace(key); }

std::optional<int64_t> Config::integer(std::string_view key) const {
  mark_used(key);
  auto value = state_->get(key);
  if (!value) return std::nullopt;
  int64_t out;
  if (value->get(out) == simdjson::SUCCESS) return out;
  double real;
  // Some writers print whole numbers as 10000.0.
  if (value->is_double() && value->get(real) == simdjson::SUCCESS && real > -0x1p53 &&
      real < 0x1p53 && real == static_cast<double>(static_cast<int64_t>(real))) {
    return static_cast<int64_t>(real);
  }
  refuse(key, "is " + shown(simdjson::minify(*value)) + ", not a whole number of 63 bits");
}

std::optional<double> Config::number(std::string_view key) const {
  mark_used(key);
  auto value = state_->get(key);
  if (!value) return std::nullopt;
  double out;
  if (value->get(out) == simdjson::SUCCESS) return out;
  refuse(key, "is " + shown(simdjson::minify(*value)) + ", not a number");
}

std::optional<bool> Config::boolean(std::string_view key) const {
  mark_used(key);
  auto value = state_->get(key);
  if (!value) return std::nullopt;
  bool out;
  if (value->get(out) == simdjson::SUCCESS) return out;
  refuse(key, "is " + shown(simdjson::minify(*value)) + ", not true or false");
}

std::optional<std::string> Config::string(std::string_view key) const {
  mark_used(key);
  auto value = state_->get(key);
  if (!value) return std::nullopt;
  std::string_view out;
  if (value->get(out) == simdjson::SUCCESS) return std::string(out);
  refuse(key, "is " + shown(simdjson::minify(*value)) + ", not a string");
}

std::optional<Config> Config::object(std::string_view key) const {
  mark_used(key);
  auto value = state_->get(key);
  if (!value) return std::nullopt;
  auto inner = std::make_shared<State>();
  inner->parser = state_->parser;
  if (value->get(inner->object) != simdjson::SUCCESS) {
    refuse(key, "is " + shown(simdjson::minify(*value)) + ", not an object");
  }
  return Config(std::move(inner), where_ + ": " + std::string(key));
}

std::vector<Config> Config::objects(std::string_view key) const {
  mark_used(key);
  std::vector<Config> out;
  auto value = state_->get(key);
  if (!value) return out;
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS) refuse(key, "is not an array");
  for (element item : array) {
    auto inner = std::make_shared<State>();
    inner->parser = state_->parser;
    if (item.get(inner->object) != simdjson::SUCCESS) refuse(key, "holds what is no object");
    out.push_back(Config(std::move(inner), where_ + ": " + std::string(key)));
  }
  return out;
}

std::vector<int64_t> Config::integers(std::string_view key) const {
  auto value = state_->get(key);
  if (!value || !value->is_array()) {
    auto one = integer(key);
    return one ? std::vector<int64_t>{*one} : std::vector<int64_t>{};
  }
  mark_used(key);
  std::vector<int64_t> out;
  for (element item : simdjson::dom::array(*value)) {
    int64_t number;
    if (item.get(number) != simdjson::SUCCESS) refuse(key, "holds what is no whole number");
    out.push_back(number);
  }
  return out;
}

std::vector<double> Config::numbers(std::string_view key) const {
  mark_used(key);
  std::vector<double> out;
  auto value = state_->get(key);
  if (!value) return out;
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS) refuse(key, "is not an array of numbers");
  for (element item : array) {
    double number;
    if (item.get(number) != simdjson::SUCCESS) refuse(key, "holds what is no number");
    out.push_back(number);
  }
  return out;
}

std::vector<std::string> Config::strings(std::string_view key) const {
  mark_used(key);
  std::vector<std::string> out;
  auto value = state_->get(key);
  if (!value) return out;
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS) refuse(key, "is not an array of strings");
  for (element item : array) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS) refuse(key, "holds what is no string");
    out.emplace_back(text);
  }
  return out;
}

bool Config::is_string(std::string_view key) const {
  auto value = state_->get(key);
  return value && value->is_string();
}

bool Config::is_object(std::string_view key) const {
  auto value = state_->get(key);
  return value && value->is_object();
}

int64_t Config::required(std::string_view key) const {
  auto value = integer(key);
  if (!value) refuse(key, "is missing");
  return *value;
}

std::optional<int64_t> Config::integer_of(std::initializer_list<std::string_view> keys) const {
  std::optional<int64_t> first;
  for (std::string_view key : keys) {
    auto value = integer(key);
    if (!first) first = value;
  }
  return first;
}

void Config::expect(std::string_view key, bool value) const {
  auto found = boolean(key);
  if (found && *found != value) {
    refuse(key,
           std::string("is ") + (*found ? "true" : "false") + ", which Tessera does not serve");
  }
}

std::vector<std::string> Config::keys() const {
  std::vector<std::string> out;
  for (auto field : state_->object) out.emplace_back(field.key);
  return out;
}

std::vector<std::string> Config::unused() const {
  std::vector<std::string> out;
  for (auto field : state_->object) {
    if (!field.value.is_null() && !state_->used.contains(field.key)) out.emplace_back(field.key);
  }
  return out;
}

}  // namespace tessera
