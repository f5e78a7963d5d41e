// Extended grapheme clusters (Unicode Annex 29), where the reference package's normalisers can
// tell: pairs of regional indicators are not kept apart from other pairs of characters.
#pragma once

#include <cstddef>
#include <string_view>

namespace tessera {

// The bytes of the cluster that begins at byte `at`; an invalid byte is a cluster of its own. Needs
// at < text.size(), and that a cluster begins there.
size_t grapheme_length(std::string_view text, size_t at);

}  // namespace tessera
