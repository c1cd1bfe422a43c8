#!/usr/bin/env bash
# The main job: a random-Fourier-feature classifier, from model.py to accuracy, latency and energy.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(cd "${1:-.venv/bin}" && pwd)
mkdir -p build/demo
"$bin/python" examples/rbf_ridge.py build/demo/test.npz >/dev/null
cd build/demo
show() { echo "\$ $*"; PATH="$bin:$PATH" "$@"; echo; }
show hermesc compile ../../examples/rbf_ridge.py
show hermesc run rbf_ridge.hermes --inputs test.npz --report rbf_ridge.html
show hermesc view rbf_ridge.hermes -o rbf_ridge.svg
echo "The page with the floor plan is build/demo/rbf_ridge.html; open it in a browser."
