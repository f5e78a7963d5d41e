// Chat templates: a small, safe interpreter of the part of Jinja that they use. No input, no output,
// no attributes but the keys of maps and a fixed list of methods; steps, memory, output and depth
// are bounded. docs/templates.md lists what is served.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/text/marked_text.h"
#include "tessera/text/value.h"

namespace tessera {

namespace templates {
struct Statement;
}

struct TemplateLimits {
  int64_t steps = 20'000'000;            // expressions and statements run, bytes handled / 64
  int64_t bytes = int64_t{512} << 20;    // made in strings and lists, all together
  int64_t output = int64_t{128} << 20;   // bytes of the text
  int64_t depth = 1000;                  // nested statements, expressions and macro calls
};

struct RenderOptions {
  TemplateLimits limits = {};
  std::optional<int64_t> now = {};       // seconds since 1970 for strftime_now; unset: the clock
};

// A parsed template. const calls may run together.
class Template {
 public:
  // Throws Error with line and column; `name` stands in front of them.
  explicit Template(std::string_view source, std::string name = "chat template");
  // The text, with its marks of what came from content.   variables: a map
  // Throws Error with line and column: what Jinja would refuse, raise_exception, a limit.
  MarkedText render(const Value& variables, const RenderOptions& options = {}) const;

 private:
  std::string name_;
  std::shared_ptr<const std::vector<templates::Statement>> body_;
};

// A conversation as chat templates take it.
struct Chat {
  Value messages;                        // list of maps with role and content
  Value tools;                           // list; none or undefined when there are none
  Value documents;                       // the same
  std::vector<std::pair<std::string, Value>> arguments;  // enable_thinking, ...: template variables
  std::string bos_token, eos_token;
  bool add_generation_prompt = true;
};

// Renders a conversation. Every string in messages, tools and documents counts as content but the
// value of "role" when it is a plain word (letters, digits, "_", "-"): templates build control
// tokens from roles.
MarkedText render_chat(const Template& chat_template, const Chat& chat,
                       const RenderOptions& options = {});

}  // namespace tessera
