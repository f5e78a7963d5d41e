// Texts from where people keep them, one at a time, in memory bounded by the longest text.
//
// A source is a file, a folder (every file in it, by name, and its folders), or "-" for standard
// input. Files whose first bytes are those of gzip or zstd are unpacked on the way.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tessera {

// Called with one text; the view lives as long as the call.
using TextSink = std::function<void(std::string_view)>;

// Longest single text, in bytes; a longer one is refused.
inline constexpr size_t kLongestText = size_t{4} << 30;

// One file as one text: its bytes, unpacked. Pipes and devices are read to their end. Throws Error
// for a folder.
std::string read_text(const std::string& source);
// Every file as one text.
void read_files(const std::string& source, const TextSink& sink);
// Every line as one text, without its line end (\n or \r\n). A last line may lack it.
void read_lines(const std::string& source, const TextSink& sink);
// The string member `field` of every line, each a JSON object; empty lines are skipped. Throws
// Error naming file and line when a line is none or lacks the field.
void read_jsonl(const std::string& source, const std::string& field, const TextSink& sink);
// By name: .jsonl and .ndjson (also packed) as JSONL with `field`, all else as whole files.
void read_corpus(const std::string& source, const std::string& field, const TextSink& sink);

// The lines of a text in memory.
void each_line(std::string_view text, const TextSink& sink);

}  // namespace tessera
