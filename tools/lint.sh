#!/bin/sh
# Everything about the sources that a program can judge without running them.
set -eu
cd "$(dirname "$0")/.."
echo "lint: layout (clang-format)"
find src -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
echo "lint: layers"
tools/layers.py .
echo "lint: style"
tools/tidy.py .
echo "lint: scripts (shellcheck)"
git ls-files '*.sh' .ci/run | xargs shellcheck
echo "lint: purity and the device core on Cortex-M4"
tools/m4.sh
