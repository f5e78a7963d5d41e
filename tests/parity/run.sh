#!/bin/bash
# Compares the built program with the libraries that it must agree with; docs/parity.md says how.
#   tests/parity/run.sh [FILE | pytest option]...     all files without one
# Needs the built tree and the peers (scripts/setup.sh --peers). Larger runs:
#   TESSERA_PARITY_STRINGS=20000 TESSERA_PARITY_TOKENS=8000 tests/parity/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${TESSERA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tessera}
python=${TESSERA_PEERS_PYTHON:-$cache/peers/bin/python}
if [ ! -x "$python" ]; then
  echo "$python is not there: scripts/setup.sh --peers" >&2
  exit 1
fi
binary=${TESSERA_BIN:-build/bin/tessera}
for program in "$binary" "$(dirname "$binary")/../tests/logits_probe"; do
  if [ ! -x "$program" ]; then
    echo "$program is not there: scripts/test.sh builds it" >&2
    exit 1
  fi
done
files=("$@")
case " $* " in
  *.py*) ;;
  *) files+=(tests/parity) ;;
esac
export TESSERA_PARITY_STRINGS=${TESSERA_PARITY_STRINGS:-3000}
export PATH=$PATH:$(dirname "$python")  # npm, where the machine has none
export TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error PYTHONWARNINGS=ignore
exec "$python" -m pytest -q -p no:cacheprovider -W ignore -rs --durations=5 "${files[@]}"
