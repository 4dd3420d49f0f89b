#!/bin/sh
# Install what packages.txt lists for the given targets and this machine lacks.
#   usage: tools/packages.sh TARGET...      (build, run, test, bench)
# Asks no network when nothing is missing, so everything works offline after the first time.
set -eu
list=$(dirname "$0")/../packages.txt
wanted=$(for target in "$@"; do
    awk -F'|' -v target="$target" \
        '!/^#/ && NF == 3 { gsub(/ /, "", $1); gsub(/ /, "", $2); if ($2 == target) print $1 }' "$list"
done | sort -u)
missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing Debian packages:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "become root or install sudo first" >&2; exit 1; }
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -q update
# shellcheck disable=SC2086 # a list of words is meant
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing
