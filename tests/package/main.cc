// Uses the library as a program outside the project would: lists the guests, reads a spec, sees an
// error in the library's own type.
#include <cstdio>

#include "tessera/base/error.h"
#include "tessera/base/guest.h"
#include "tessera/base/version.h"
#include "tessera/network/policy.h"

int main() {
  try {
    tessera::make_guest<tessera::ContextPolicy>("no-such-policy");
    return 1;
  } catch (const tessera::Error& error) {
    std::printf("%s\n%zu guests\n", error.what(), tessera::all_guests().size());
  }
  return tessera::all_guests().empty() ? 1 : 0;
}
