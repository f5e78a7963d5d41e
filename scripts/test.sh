#!/bin/bash
# Sets up, builds everything and runs every test. Ends with ctest's closing line.
#   scripts/test.sh              the tests that need no Python
#   scripts/test.sh --parity     and the comparisons with Python's and npm's libraries, which it installs
# What follows goes to cmake (-D...) or, without a -D, to ctest: scripts/test.sh -DTESSERA_WERROR=ON -R Bpe
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
parity=OFF
setup=(--tests --workshop)
configure=()
select=()
for argument in "$@"; do
  case $argument in
    --parity) parity=ON setup+=(--peers) ;;
    -D*) configure+=("$argument") ;;
    *) select+=("$argument") ;;
  esac
done
scripts/setup.sh "${setup[@]}"
say "configuring"
cmake --preset workshop -DTESSERA_TESTS=ON -DTESSERA_PARITY=$parity "${configure[@]}" >build.log 2>&1 ||
  { cat build.log >&2; exit 1; }
rm -f build.log
build build all
ctest --test-dir build --output-on-failure -j "$(nproc)" "${select[@]}"
