// For tests/parity/test_templates.py: renders chats. Each line of standard input is a JSON object
// {"template", "messages", "tools", "arguments", "bos_token", "eos_token", "add_generation_prompt",
// "now"}; each line of standard output is {"text", "content"} or {"error"}.
#include <iostream>
#include <nlohmann/json.hpp>

#include "tessera/base/error.h"
#include "tessera/text/template.h"

int main() {
  using namespace tessera;
  using Json = nlohmann::json;
  std::string line;
  while (std::getline(std::cin, line)) {
    Json out;
    try {
      Value in = Value::parse_json(line, false, "standard input");
      auto text = [&](const char* key) { return in.find(key) ? in.find(key)->as_string() : std::string(); };
      Chat chat;
      chat.messages = *in.find("messages");
      if (in.find("tools")) chat.tools = *in.find("tools");
      for (const auto& [key, value] : in.find("arguments")->as_map()) {
        chat.arguments.emplace_back(key.as_string(), value);
      }
      chat.bos_token = text("bos_token");
      chat.eos_token = text("eos_token");
      chat.add_generation_prompt = in.find("add_generation_prompt")->truth();
      RenderOptions options;
      options.now = in.find("now")->as_integer();
      MarkedText rendered = render_chat(Template(text("template")), chat, options);
      out["text"] = rendered.bytes;
      out["content"] = Json::array();
      for (const TextRange& r : rendered.content) out["content"].push_back({r.begin, r.end});
    } catch (const Error& error) {
      out = Json{{"error", error.what()}};
    }
    std::cout << out.dump() << std::endl;
  }
}
