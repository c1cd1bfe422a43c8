#!/usr/bin/env bash
# Every check but the tests: style, types, import rules, documents.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-.venv/bin}
"$bin/ruff" format --check .
"$bin/ruff" check .
"$bin/mypy"
"$bin/lint-imports"
"$bin/python" tools/docs.py
"$bin/mkdocs" build --strict --quiet
