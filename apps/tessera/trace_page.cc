#include "apps/tessera/trace_page.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kHead = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tessera trace</title>
<style>
body { font: 14px sans-serif; margin: 1em; color: #222; }
canvas { border: 1px solid #bbb; image-rendering: pixelated; }
select { margin-right: 1em; }
#said { min-height: 1.5em; font-family: monospace; white-space: pre-wrap; }
</style></head><body>
<h1 id="title"></h1><p id="about"></p>
<p><label>Layer <select id="layer"></select></label><label>Head <select id="head"></select></label></p>
<p id="said">Point at the picture: each line is a token that was decoded, each column a token that it
could see. Blue was seen, red was seen and weakened.</p>
<canvas id="picture"></canvas>
<script>
"use strict";
const trace = )html";

constexpr const char* kTail = R"html(;
const by = id => document.getElementById(id);
by("title").textContent = trace.policy;
const tokens = [...new Set(trace.rows.map(r => r[0]))].sort((a, b) => a - b);
by("about").textContent = trace.rows.length === 0
  ? "Nothing was chosen: every token saw everything before it."
  : tokens.length + " steps, " + trace.pieces.length + " tokens, " + trace.rows.length +
    " choices, " + trace.left_out + " left out. Prompt: " + trace.prompt_tokens + " tokens.";
const option = (select, value, text) => {
  const o = document.createElement("option");
  o.value = value;
  o.textContent = text;
  select.append(o);
};
for (const layer of [...new Set(trace.rows.map(r => r[1]))].sort((a, b) => a - b)) {
  option(by("layer"), layer, layer);
}
option(by("head"), -1, "share of all");
for (let h = 0; h < trace.heads; ++h) option(by("head"), h, h);
const columns = trace.pieces.length;
const wide = Math.max(1, Math.floor(1200 / Math.max(columns, 1)));
const high = Math.max(3, Math.min(16, Math.floor(700 / Math.max(tokens.length, 1))));
let cells = [];
function draw() {
  const layer = +by("layer").value, head = +by("head").value;
  const canvas = by("picture"), pen = canvas.getContext("2d");
  canvas.width = columns * wide;
  canvas.height = tokens.length * high;
  cells = tokens.map(() => ({ seen: new Float32Array(columns), damped: new Float32Array(columns) }));
  const line = new Map(tokens.map((t, i) => [t, i]));
  for (const r of trace.rows) {
    if (r[1] !== layer || (head >= 0 && (head < r[2] || head >= r[2] + r[3]))) continue;
    const to = cells[line.get(r[0])][r[5] ? "damped" : "seen"];
    const weight = head >= 0 ? 1 : r[3] / trace.heads;
    for (let i = 6; i < r.length; i += 2) {
      for (let e = r[i]; e < r[i + 1]; ++e) if (e < columns) to[e] += weight;
    }
  }
  cells.forEach((c, y) => {
    for (let x = 0; x < columns; ++x) {
      if (c.seen[x] > 0) {
        pen.fillStyle = "rgba(30,80,190," + Math.min(1, 0.15 + 0.85 * c.seen[x]) + ")";
        pen.fillRect(x * wide, y * high, wide, high);
      }
      if (c.damped[x] > 0) {
        pen.fillStyle = "rgba(210,40,30," + Math.min(1, 0.3 + 0.7 * c.damped[x]) + ")";
        pen.fillRect(x * wide, y * high, wide, high);
      }
    }
  });
}
by("picture").addEventListener("mousemove", event => {
  const box = by("picture").getBoundingClientRect();
  const x = Math.floor((event.clientX - box.left) / wide);
  const y = Math.floor((event.clientY - box.top) / high);
  if (y < 0 || y >= tokens.length || x < 0 || x >= columns) return;
  const near = trace.pieces.slice(Math.max(0, x - 6), x).join("") + "[" + trace.pieces[x] + "]" +
    trace.pieces.slice(x + 1, x + 7).join("");
  by("said").textContent = "token " + tokens[y] + " " + JSON.stringify(trace.pieces[tokens[y]]) +
    ", entry " + x + ": " + (100 * cells[y].seen[x]).toFixed(0) + " % of the heads" +
    (cells[y].damped[x] > 0 ? ", weakened" : "") + "\n" + near;
});
by("layer").addEventListener("change", draw);
by("head").addEventListener("change", draw);
if (trace.rows.length > 0) draw();
</script></body></html>
)html";

}  // namespace

std::string trace_page(const Trace& trace, const std::vector<std::string>& pieces) {
  Json j = {{"policy", trace.origin.policy},
            {"heads", trace.origin.heads},
            {"prompt_tokens", trace.origin.prompt_tokens},
            {"left_out", trace.left_out},
            {"pieces", pieces},
            {"rows", Json::array()}};
  for (const TraceRow& row : trace.rows) {
    Json r = {row.token, row.layer, row.head, row.heads, row.dropped, row.damped ? 1 : 0};
    for (const auto& [begin, end] : row.runs) {
      r.push_back(begin);
      r.push_back(end);
    }
    j["rows"].push_back(std::move(r));
  }
  std::string data = j.dump(-1, ' ', false, Json::error_handler_t::replace);
  // A text may not end the script that it stands in.
  for (size_t at = data.find('<'); at != std::string::npos; at = data.find('<', at)) {
    data.replace(at, 1, "\\u003c");
  }
  return kHead + data + kTail;
}

}  // namespace tessera::cli
