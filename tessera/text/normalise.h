// Unicode normal forms and lower case, with the way back to the original bytes. Invalid bytes pass
// unchanged and nothing composes across them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tessera/text/aligned_text.h"

namespace tessera {

enum class NormalForm : uint8_t { nfc, nfd, nfkc, nfkd };

// Every byte of the result maps to the original bytes of the characters it was made of.
// O(n), except that a run of m combining marks costs O(m log m). Text that is in the form already
// is given back as it is.
AlignedText normalise(AlignedText text, NormalForm form);
// Character by character, without rules that look at neighbours (no final sigma).
AlignedText lower_case(AlignedText text);

std::string normalise(std::string_view text, NormalForm form);
std::string lower_case(std::string_view text);

}  // namespace tessera
