# What the scripts share. Needs to be sourced in the project's folder.
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tessera

say() { echo "tessera: $*" >&2; }

# Passes lines that match a pattern on to standard error: all of them in place on a terminal, else every twentieth
# and the last.
thin() {
  local line last='' seen=0
  while IFS= read -r line; do
    [[ $line =~ $1 ]] || continue
    if [ -t 2 ]; then
      printf '\r\033[K%.100s' "$line" >&2
    elif [ $((seen++ % 20)) = 0 ]; then
      printf '%.100s\n' "$line" >&2
      last=''
    else
      last=$line
    fi
  done
  if [ -t 2 ]; then printf '\r\033[K' >&2; elif [ -n "$last" ]; then printf '%.100s\n' "$last" >&2; fi
}

# Builds targets in a folder (build DIR TARGET..), with a line of progress; what fails is shown whole.
build() {
  local folder=$1 log=$1/build.log
  shift
  if ! cmake --build "$folder" --target "$@" 2>&1 | tee "$log" | thin '^\[[0-9]+/'; then
    grep -vE '^\[[0-9]+/' "$log" | head -100 >&2
    say "the build failed; all of its output is in $log"
    return 1
  fi
}
