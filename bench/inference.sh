#!/bin/bash
# Sets up, builds the command line, and prints the table of speeds beside llama.cpp and transformers:
#   bench/inference.sh [--threads 1,2] [--rounds 3]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
scripts/setup.sh --peers </dev/null
if [ ! -f build/build.ninja ]; then cmake --preset release -DTESSERA_TESTS=OFF >/dev/null; fi
build build tessera_cli </dev/null
export PATH=$PATH:$CACHE/peers/bin  # npm, where the machine has none
exec "$CACHE/peers/bin/python" bench/inference.py "$@"
