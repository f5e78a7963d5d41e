#!/bin/bash
# clang-tidy over the sources that changed since $CI_BASE (HEAD~1 without one), and those that include a changed header
# of the same name; at most $TIDY_SECONDS (240).
set -euo pipefail
cd "$(dirname "$0")/.."
base=${CI_BASE:-HEAD~1}
git rev-parse -q --verify "$base^{commit}" >/dev/null || { echo "tidy: no commit $base to compare with" >&2; exit 0; }
mapfile -t changed < <(git diff --name-only --diff-filter=d "$base" -- 'tessera/*.cc' 'tessera/*.h' 'apps/*.cc' 'apps/*.h' 'fuzz/*.cc' 'tests/*.cc' 'examples/*.cc')
cmake --preset tidy >/dev/null
files=()
for file in "${changed[@]}"; do
  source=${file%.*}.cc
  # Only what is compiled there: neither torch nor another processor's kernels.
  if [ -f "$source" ] && grep -qF "/$source\"" build-tidy/compile_commands.json; then files+=("$source"); fi
done
[ ${#files[@]} -gt 0 ] || { echo "tidy: no source changed since $base"; exit 0; }
mapfile -t files < <(printf '%s\n' "${files[@]}" | sort -u)
done_list=$(mktemp)
trap 'rm -f "$done_list"' EXIT
export done_list deadline=$(( $(date +%s) + ${TIDY_SECONDS:-240} ))
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -I{} bash -c '
  [ "$(date +%s)" -lt "$deadline" ] || exit 0
  clang-tidy-19 -p build-tidy --quiet {} 2>/dev/null || exit 1
  echo {} >>"$done_list"'
left=$(comm -23 <(printf '%s\n' "${files[@]}") <(sort "$done_list") | tr '\n' ' ')
echo "tidy: $(wc -l <"$done_list") of ${#files[@]} changed sources${left:+; left out for want of time: $left}"
