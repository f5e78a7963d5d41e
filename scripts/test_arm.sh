#!/bin/bash
# The kernels' tests for AArch64, cross-compiled and run under an emulator, once for each of its levels. Needs the Debian
# packages g++-aarch64-linux-gnu, qemu-user, libgtest-dev and libfmt-dev; takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
for tool in aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$tool" >/dev/null || { say "$tool is not there: apt-get install g++-aarch64-linux-gnu qemu-user libgtest-dev"; exit 1; }
done
out=build-arm
mkdir -p "$out/fmt"
ln -sfn /usr/include/fmt "$out/fmt/fmt"  # the headers alone: the machine's other headers are not for this processor
ln -sfn /usr/include/gtest "$out/fmt/gtest"
header=$(ls -t tessera/kernels/*.h tessera/base/*.h | head -1)  # the newest: all objects depend on it
# Oracles need no speed, and the reference level takes longest to compile.
compile() { # SOURCE FLAGS..
  local source=$1 object
  object=$out/$(echo "${source#/}" | tr / _).o
  shift
  [ "$object" -nt "$source" ] && [ "$object" -nt "$header" ] && return
  echo "aarch64-linux-gnu-g++ -std=c++20 -O1 -g0 -Wall -Wextra -ffp-contract=off -fno-math-errno -DFMT_HEADER_ONLY" \
    "-I. -I$out/fmt -I/usr/src/googletest/googletest $* -c $source -o $object"
}
{
  for source in tessera/kernels/*.cc tests/kernels/*.cc tessera/base/error.cc; do
    case $source in
      *level_neon.cc) compile "$source" -O3 -Werror -Wpedantic ;;
      *level_neon_dotprod.cc) compile "$source" -O3 -Werror -Wpedantic -march=armv8.2-a+dotprod ;;
      *) compile "$source" ;;
    esac
  done
  for source in gtest-all gtest_main; do compile "/usr/src/googletest/googletest/src/$source.cc"; done
} | xargs -d '\n' -P "$(nproc)" -I{} sh -c '{}'
aarch64-linux-gnu-g++ -static "$out"/*.o -o "$out/kernels_tests" -pthread
for processor in cortex-a72 max; do
  say "kernels on $processor"
  qemu-aarch64 -cpu "$processor" "$out/kernels_tests" --gtest_brief=1
done
