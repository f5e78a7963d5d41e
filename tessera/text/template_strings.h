// Python's string methods on marked text. Positions are code points; bytes that are no UTF-8 count
// as one each. Case is changed for ASCII letters only. Private to the template's own sources.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tessera/text/marked_text.h"

namespace tessera::templates {

// Bytes of the character at `at`.
size_t character_length(std::string_view text, size_t at);
// Byte at which each character begins, and the end.
std::vector<size_t> character_starts(std::string_view text);
size_t count_characters(std::string_view text);

// `characters` empty: white space.
MarkedText strip(const MarkedText& text, std::string_view characters, bool left, bool right);
MarkedText replace(const MarkedText& text, std::string_view old, const MarkedText& fresh, int64_t count);
// At white space when `separator` is empty.   most < 0: everywhere
std::vector<MarkedText> split_text(const MarkedText& text, std::string_view separator, int64_t most,
                                   bool from_right);
std::vector<MarkedText> split_lines(const MarkedText& text, bool keep_ends);

enum class Case { upper, lower, capitalize, title, jinja_title, swap };
MarkedText change_case(const MarkedText& text, Case how);

}  // namespace tessera::templates
