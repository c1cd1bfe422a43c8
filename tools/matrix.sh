#!/usr/bin/env bash
# Builds the wheel and tries it in a new environment for each Python and each torch:
#   tools/matrix.sh                  torch wheels from the folders that pip is configured with
#   tools/matrix.sh FOLDER           ... and from this one
#   tools/matrix.sh https://...      ... from this index of CPU builds
# Only CPU builds are taken, and never an ordinary index of torch, which would bring gigabytes of
# CUDA. What is not to be had is skipped with a sentence; the last line counts.
set -euo pipefail
cd "$(dirname "$0")/.."
pythons=(3.11 3.12 3.13)
torches=(2.11 2.12 2.13)
case "${1:-}" in
  "") source=(--no-index) ;;
  http*) source=(--index-url "$1") ;;
  *) source=(--no-index --find-links "$1") ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -v '^torch==' tools/constraints.txt >"$work/constraints.txt"
passed=0 failed=0 skipped=0

skip() { echo "$1: skipped: $2"; skipped=$((skipped + 1)); }

# The path of an interpreter: on PATH, or one that pyenv keeps.
interpreter() {
  local found
  for found in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if "$found" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      echo "$found"
      return
    fi
  done
}

"${PYTHON:-python3}" -m pip wheel -q --no-deps -w "$work" . ||
  { echo "the wheel cannot be built"; exit 1; }
wheel=$(echo "$work"/hermesc-*.whl)
echo "wheel: $(basename "$wheel")"
for python in "${pythons[@]}"; do
  found=$(interpreter "$python")
  for torch in "${torches[@]}"; do
    name="Python $python, torch $torch"
    [ -n "$found" ] || { skip "$name" "there is no Python $python here"; continue; }
    here="$work/$python-$torch"
    "$found" -m venv "$here"
    pip=("$here/bin/python" -m pip --quiet --quiet --disable-pip-version-check)
    "${pip[@]}" download "${source[@]}" --no-deps --only-binary :all: -d "$here/wheels" \
      "torch==$torch.*" >/dev/null 2>&1 ||
      { skip "$name" "there is no wheel of this torch for this Python"; rm -rf "$here"; continue; }
    # A CPU build asks for no CUDA package.
    if unzip -p "$here"/wheels/torch-*.whl '*.dist-info/METADATA' |
      grep -Eiq '^Requires-Dist: *(nvidia|cuda|triton)'; then
      skip "$name" "its wheel is not a CPU build"; rm -rf "$here"; continue
    fi
    if "${pip[@]}" install --no-deps "$here"/wheels/torch-*.whl &&
      "${pip[@]}" install -c "$work/constraints.txt" "$wheel" &&
      (cp tools/smoke.py "$here" && cd "$here" && env -u PYTHONPATH bin/python smoke.py); then
      passed=$((passed + 1))
    else
      echo "$name: does not work"; failed=$((failed + 1))
    fi
    rm -rf "$here"
  done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
