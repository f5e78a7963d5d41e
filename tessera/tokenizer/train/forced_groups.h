// Tokens that a field wants whatever its texts hold, by groups. Source: Bommarito et al. 2025,
// arXiv 2503.17247, its appendix.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// The tokens of groups, "all" or some with + between them, sorted, none twice. Throws Error for a
// name that is none.
std::vector<std::string> forced_groups(std::string_view names);

}  // namespace tessera
