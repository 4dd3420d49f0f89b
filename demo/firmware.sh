#!/bin/sh
# Fetch two consecutive arm64 kernels from Debian's archive and leave them as firmware images.
#   usage: demo/firmware.sh DIR     ->  DIR/first.img DIR/second.img DIR/versions
#
# Uses the machine's own package sources with a private apt state for arm64, so nothing about
# this system changes. Asks no network when DIR is already filled.
set -eu
dir=$1
[ -s "$dir/versions" ] && exit 0
mkdir -p "$dir/apt/state/lists/partial" "$dir/apt/cache/archives/partial"
dir=$(cd "$dir" && pwd)

apt_arm64() {
    tool=$1
    shift
    "$tool" -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 \
        -o Dir::State="$dir/apt/state" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$dir/apt/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

# The newest two kernels for arm64 virtual machines: about 35 MB each, uncompressed images.
echo "firmware: asking Debian's archive for arm64 kernels"
apt_arm64 apt-get update >"$dir/apt/update.log" 2>&1 ||
    { tail -5 "$dir/apt/update.log" >&2; echo "firmware: apt-get update failed" >&2; exit 1; }
packages=$(apt_arm64 apt-cache pkgnames linux-image- |
    grep -E '^linux-image-[0-9].*-cloud-arm64-unsigned$' | sort -V | tail -2)
[ "$(echo "$packages" | wc -l)" = 2 ] ||
    { echo "firmware: the archive offers fewer than two arm64 kernels" >&2; exit 1; }

take() { # PACKAGE NAME: its kernel image becomes NAME.img
    echo "firmware: fetching $1"
    (cd "$dir" && apt_arm64 apt-get download "$1" >/dev/null 2>"$dir/apt/download.log") ||
        { cat "$dir/apt/download.log" >&2; exit 1; }
    dpkg-deb --fsys-tarfile "$dir/$1"_*.deb |
        tar -xO --wildcards './boot/vmlinuz-*' >"$dir/$2.part"
    mv "$dir/$2.part" "$dir/$2.img"
    rm -f "$dir/$1"_*.deb
}
name_of() { # 6.12.115 of linux-image-6.12.115+deb12-cloud-arm64-unsigned
    echo "$1" | sed -E 's/^linux-image-([0-9]+(\.[0-9]+)*).*/\1/'
}
first=$(echo "$packages" | head -1)
second=$(echo "$packages" | tail -1)
take "$first" first
take "$second" second
printf 'first=%s\nsecond=%s\n' "$(name_of "$first")" "$(name_of "$second")" >"$dir/versions.part"
mv "$dir/versions.part" "$dir/versions"
