#!/bin/sh
# Build the device core for a Cortex-M4, prove it pure, and print what it takes of a device.
#   usage: tools/m4.sh [BUILD_DIR]
#
# Text is what a linker keeps for a device that speaks the native protocol (agent, record,
# messages, SHA-256), without the port's own banks, network and memory functions.
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
struct agent ram_agent;
struct agent_orders ram_orders;
struct agent_event ram_event;
SOURCE
flags='-std=c17 -mcpu=cortex-m4 -mthumb -Os -ffreestanding -Isrc'
# shellcheck disable=SC2086
arm-none-eabi-gcc $flags -c "$work/ram.c" -o "$work/ram.o"

wanted='agent_start agent_step agent_poll agent_report agent_state_name
    native_poll_encode native_answer_decode native_report_encode native_verdict_decode'
# shellcheck disable=SC2046,SC2086
arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -nostdlib -Wl,--gc-sections \
    -Wl,--unresolved-symbols=ignore-all -Wl,-e,agent_step \
    $(for symbol in $wanted; do echo "-Wl,-u,$symbol"; done) \
    -Wl,--start-group $libraries -lgcc -Wl,--end-group -o "$work/core.elf"

arm-none-eabi-size "$work/core.elf" | awk 'NR == 2 {
    printf "device core on Cortex-M4, -Os: %d bytes of text, %d bytes of static RAM\n", $1, $2 + $3 }'
arm-none-eabi-nm -S "$work/ram.o" | awk '{
    size[$4] = ("0x" $2) }
    END { for (name in size) print name, size[name] }' | while read -r name size; do
    printf '  %-12s %5d bytes (caller'\''s memory)\n' "${name#ram_}" "$size"
done
tools/m4_stack.py "$build"
