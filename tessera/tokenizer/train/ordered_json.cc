#include "tessera/tokenizer/train/ordered_json.h"

#include <string>

#include <nlohmann/json.hpp>

namespace tessera {

using Json = nlohmann::ordered_json;

Json ordered_json_of(simdjson::dom::element element) {
  using Type = simdjson::dom::element_type;
  switch (element.type()) {
    case Type::OBJECT: {
      Json out = Json::object();
      for (auto [key, value] : simdjson::dom::object(element)) {
        out.get_ref<Json::object_t&>().emplace_back(std::string(key), ordered_json_of(value));
      }
      return out;
    }
    case Type::ARRAY: {
      Json out = Json::array();
      for (simdjson::dom::element item : simdjson::dom::array(element))
        out.push_back(ordered_json_of(item));
      return out;
    }
    case Type::STRING:
      return std::string(std::string_view(element));
    case Type::INT64:
      return int64_t(element);
    case Type::UINT64:
      return uint64_t(element);
    case Type::DOUBLE:
      return double(element);
    case Type::BOOL:
      return bool(element);
    default:
      return nullptr;
  }
}

}  // namespace tessera
