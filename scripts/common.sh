# What the scripts share. Needs to be sourced in the project's folder.
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tessera

say() { echo "tessera: $*" >&2; }

# Passes lines that match a pattern on to standard error: all of them in place on a terminal, else every twentieth
# and the last.
thin() {
  local terminal=0
  [ -t 2 ] && terminal=1
  awk -v terminal=$terminal -v pattern="$1" '
    $0 ~ pattern {
      line = substr($0, 1, 100)
      if (terminal) printf "\r\033[K%s", line
      else if (++seen % 20 == 1) { print line; line = "" }
      fflush()
    }
    END { if (terminal) printf "\r\033[K"; else if (line != "") print line }' >&2
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
