// Any bytes as a chat template: a text or an Error within the limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/refusal.h"
#include "tessera/base/error.h"
#include "tessera/text/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  static const Value messages = Value::parse_json(
      R"([{"role": "system", "content": " s "}, {"role": "user", "content": "h\u00e9 <|x|>"},
          {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 2.5]}}}]}])",
      true, "messages");
  RenderOptions options;
  options.limits = {.steps = 20000, .bytes = 1 << 20, .output = 1 << 16, .depth = 300};
  options.now = 0;
  Chat chat;
  chat.messages = messages;
  chat.tools = messages;
  try {
    MarkedText text =
        render_chat(Template({reinterpret_cast<const char*>(data), size}), chat, options);
    size_t end = 0;
    for (const TextRange& r : text.content) {
      if (r.begin < end || r.end <= r.begin || r.end > text.size()) __builtin_trap();
      end = r.end;
    }
  } catch (const Error& error) {
    fuzz::expect_one_line(error);
  }
  return 0;
}
