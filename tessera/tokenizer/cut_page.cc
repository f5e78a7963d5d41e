#include "tessera/tokenizer/cut_page.h"

#include <fmt/format.h>

#include "tessera/text/utf8.h"

namespace tessera {
namespace {

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>How texts are cut</title>
<style>
:root { color-scheme: light dark; --a: #cfe3ff; --b: #ffe0b8; --c: #d3f2cf; --d: #f6cfe6; }
@media (prefers-color-scheme: dark) { :root { --a: #1d3f6b; --b: #664413; --c: #245c1e; --d: #642a4d; } }
body { font: 16px/1.7 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
p { margin: .2em 0 1em; white-space: pre-wrap; overflow-wrap: anywhere; }
i { font-style: normal; border-radius: .25em; padding: .1em 0; }
i:nth-of-type(4n+1) { background: var(--a); } i:nth-of-type(4n+2) { background: var(--b); }
i:nth-of-type(4n+3) { background: var(--c); } i:nth-of-type(4n) { background: var(--d); }
small { opacity: .7; }
</style>
)";

void append_shown(std::string& out, std::string_view bytes) {
  for (size_t i = 0; i < bytes.size();) {
    const Unit u = unit_at(bytes, i);
    const std::string_view unit = bytes.substr(i, u.length);
    i += u.length;
    if (u.code >= kInvalidByte || (u.code < 0x20 && u.code != '\n' && u.code != '\t')) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(unit[0]));
    } else if (u.code == '&') {
      out += "&amp;";
    } else if (u.code == '<') {
      out += "&lt;";
    } else if (u.code == '"') {
      out += "&quot;";
    } else {
      out += unit;
    }
  }
}

}  // namespace

std::string cut_page(std::span<const NamedTokenizer> tokenizers,
                     std::span<const std::string> paragraphs) {
  std::string out(kHead);
  for (const std::string& text : paragraphs) {
    out += "<hr>\n";
    for (const NamedTokenizer& named : tokenizers) {
      const Encoding cut = named.tokenizer->encode(text, {.add_template = false});
      out += "<b>";
      append_shown(out, named.name);
      out +=
          fmt::format("</b> <small>{} tokens, {} bytes</small>\n<p>", cut.ids.size(), text.size());
      size_t done = 0;
      const auto plain = [&](size_t end) {
        if (end > done) append_shown(out, std::string_view(text).substr(done, end - done));
        done = std::max(done, end);
      };
      for (size_t i = 0; i < cut.ids.size(); ++i) {
        // What no token covers, such as a space that was taken away, stands between them.
        plain(cut.spans[i].begin);
        out += fmt::format("<i title=\"{}\">", cut.ids[i]);
        plain(cut.spans[i].end);
        out += "</i>";
      }
      plain(text.size());
      out += "</p>\n";
    }
  }
  return out + "</html>\n";
}

}  // namespace tessera
