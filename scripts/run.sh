#!/bin/bash
# Sets up, builds the command line and runs a model: scripts/run.sh "What is the capital of France?"
# Arguments are those of `tessera run`; only the answer goes to standard output. The binary stays at build/bin/tessera.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."
. scripts/common.sh
scripts/setup.sh </dev/null
# What a former configuration switched on (tests, workshop) stays on: only the first one says what is built.
if [ ! -f build/build.ninja ]; then
  say "configuring"
  cmake --preset release -DTESSERA_TESTS=OFF >build.log 2>&1 </dev/null || { cat build.log >&2; exit 1; }
  rm -f build.log
fi
build build tessera_cli </dev/null
tessera=$PWD/build/bin/tessera
cd "$here"
exec "$tessera" run "$@"
