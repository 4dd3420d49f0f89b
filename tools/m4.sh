#!/bin/sh
# Build the device core for a Cortex-M4, prove it pure, and print what it takes of a device.
#   usage: tools/m4.sh [BUILD_DIR]
#
# Text is what a linker keeps for a device that speaks the native protocol (agent, record,
# messages, SHA-256), without the port's own banks, network and memory functions; then what the
# way in without JSON (trust store, manifest, signed assignment) and the portable signature checks
# add to it.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build-m4}
[ -f "$build/build.ninja" ] || meson setup "$build" --cross-file cross/cortex-m4.ini >/dev/null
ninja -C "$build" >/dev/null || ninja -C "$build"
libraries=$(for layer in agent format crypto codec base; do echo "$build/src/$layer/lib$layer.a"; done)

# shellcheck disable=SC2086 # a list of paths without spaces
tools/purity.sh arm-none-eabi-nm $libraries

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/ram.c" <<'SOURCE'
#include "agent/agent.h"
#include "agent/manifest_door.h"
#include "format/trust_slots.h"
struct agent ram_agent;
struct agent_orders ram_orders;
struct agent_event ram_event;
struct accept_evidence ram_evidence;
struct manifest ram_manifest;
struct trust_loaded ram_trust;
uint8_t ram_check[TRUST_ROOM_SIZE];
SOURCE
flags='-std=c17 -mcpu=cortex-m4 -mthumb -Os -ffreestanding -Isrc'
# shellcheck disable=SC2086
arm-none-eabi-gcc $flags -c "$work/ram.c" -o "$work/ram.o"

# Bytes of text and of static RAM of what the symbols in $1 need.
link() {
    # shellcheck disable=SC2046,SC2086
    arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -nostdlib -Wl,--gc-sections \
        -Wl,--unresolved-symbols=ignore-all -Wl,-e,agent_step \
        $(for symbol in $1; do echo "-Wl,-u,$symbol"; done) \
        -Wl,--start-group $libraries -lgcc -Wl,--end-group -o "$work/core.elf"
    arm-none-eabi-size "$work/core.elf" | awk 'NR == 2 { print $1, $2 + $3 }'
}

# Prints what comes on top of $1 bytes of text and what it is; the new sum goes to `text`.
adds() {
    sum=$(link "$wanted")
    printf '  + %5d bytes of text: %s\n' "$((${sum% *} - $1))" "$2"
    text=${sum% *}
}

wanted='agent_start agent_step agent_poll agent_report agent_state_name
    native_poll_encode native_answer_decode native_report_encode native_verdict_decode'
sum=$(link "$wanted")
text=${sum% *}
echo "device core on Cortex-M4, -Os: $text bytes of text, ${sum#* } bytes of static RAM"
wanted="$wanted manifest_door_open trust_slots_load trust_slots_save trust_store_follow"
adds "$text" 'trust store, manifest, signed assignment'
wanted="$wanted ed25519_verify"
adds "$text" 'Ed25519 with SHA-512'
wanted="$wanted p256_verify"
adds "$text" 'ECDSA over P-256'
arm-none-eabi-nm -S "$work/ram.o" | awk '{
    size[$4] = ("0x" $2) }
    END { for (name in size) print name, size[name] }' | while read -r name size; do
    printf '  %-12s %5d bytes (caller'\''s memory)\n' "${name#ram_}" "$size"
done
tools/m4_stack.py "$build"
