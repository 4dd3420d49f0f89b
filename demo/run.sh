#!/bin/bash
# `make run`: a whole fleet on this machine. Starts a server, enrols real agents, rolls a real
# firmware update out to them in stages, then one that fails, and leaves the server running.
#   usage: demo/run.sh BUILD_DIR [DEVICES]
#
# Everything lives in run/ and every start begins afresh, except for the firmware in
# run/firmware, which is fetched once. Ctrl-C stops everything that this script started.
# With SLIPWAY_DEMO_END=1 it stops by itself at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
count=${2:-30}
port=${SLIPWAY_DEMO_PORT:-8443}
run=$PWD/run
PATH=$build/src/server:$build/src/cli:$build/src/device:$PATH

say() { printf '\n== %s\n' "$*"; }
show() { # print a command as one would type it, then run it
    printf '  $'
    printf ' %q' "$@"
    printf '\n'
    "$@"
}

started=() # process ids
stop_all() {
    code=$?
    trap - EXIT INT TERM
    [ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || :
    wait
    exit "$code"
}
trap stop_all EXIT
trap 'exit 0' INT TERM

wait_for() { # SECONDS WHAT COMMAND...: until the command succeeds
    local left=$(($1 * 5)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || { echo "gave up waiting for $what; see $run" >&2; exit 1; }
        sleep 0.2
    done
}

# ---- firmware, once ----

demo/firmware.sh "$run/firmware"
first=$(sed -n 's/^first=//p' "$run/firmware/versions")
second=$(sed -n 's/^second=//p' "$run/firmware/versions")
broken=$second.1
# A build that went wrong: right name, right signature, but no kernel magic at byte 56.
[ -s "$run/firmware/broken.img" ] || {
    cp "$run/firmware/second.img" "$run/firmware/broken.part"
    printf 'oops' | dd of="$run/firmware/broken.part" bs=1 seek=56 conv=notrunc status=none
    mv "$run/firmware/broken.part" "$run/firmware/broken.img"
}

# ---- a server ----

rm -rf "$run"/{server,keys,repo,devices,context.yaml,audit.jsonl}
mkdir -p "$run/server" "$run/devices"
say "A server with a fresh private CA, its keys and an empty database in run/server"
slipwayd --listen "127.0.0.1:$port" --data-dir "$run/server/data" --poll-interval-s 1 \
    >"$run/server/log" 2>&1 &
server=$!
started+=("$server")
context=(--server "https://127.0.0.1:$port" --ca "$run/server/data/pki/ca.crt"
    --token-file "$run/server/data/admin.token")
up() { kill -0 "$server" && slipway whoami "${context[@]}"; }
wait_for 20 "the server" up
slipway login --context "$run/context.yaml" "${context[@]}" >/dev/null
cli() { slipway "$@" --context "$run/context.yaml"; }
try() { show slipway "$@" --context run/context.yaml; }
try doctor

# ---- a release authority: its keys never touch the server ----

say "Release keys, kept away from the server: two people must sign a release"
mkdir -p "$run/keys"
for key in root ada grace; do try key new --no-passphrase "run/keys/$key"; done
try repo init --dir run/repo --root-key run/keys/root \
    --targets-key run/keys/ada --targets-key run/keys/grace --targets-threshold 2
try repo publish --dir run/repo

say "Three releases of the gateway: Linux $first, $second and a broken build of $second"
add() { try release add "run/firmware/$1" --dir run/repo --product gateway --version "$2" --hardware virt; }
add first.img "$first"
add second.img "$second"
add broken.img "$broken"
try release sign --dir run/repo --key run/keys/ada
try release sign --dir run/repo --key run/keys/grace
try release publish --dir run/repo

# ---- a fleet: each device is a real agent with two banks ----

say "$count devices that left the factory with Linux $first enrol over mutual TLS"
sites=(oslo rome lima)
for number in $(seq -w 1 "$count"); do
    name=gw-$number
    home=$run/devices/$name
    mkdir -p "$home"
    cp --reflink=auto "$run/firmware/first.img" "$home/bank_a"
    : >"$home/bank_b"
    cp "$run/repo/root.json" "$home/"
    cli claim new --expires 1h --note "$name" -o json |
        sed -n 's/.*"token" *: *"\([^"]*\)".*/\1/p' >"$home/claim"
    cat >"$home/agent.yaml" <<YAML
server: https://127.0.0.1:$port
ca_file: $run/server/data/pki/ca.crt
name: $name
state_dir: $home/state
root_file: $home/root.json
claim_token_file: $home/claim
product: gateway
hardware: virt
attributes: [site=${sites[$((10#$number % 3))]}]
factory_version: $first
bank_a: $home/bank_a
bank_b: $home/bank_b
bank_size: 64M
boot: file
reboot_command: exec
# An arm64 kernel carries this magic at byte 56; a bank without it would not boot.
health_command: 'tail -c +57 "\$SLIPWAY_BANK" | head -c 4 | grep -q ARMd'
poll_interval_s: 1
retry_min_s: 1
retry_max_s: 5
YAML
    slipway-agent --config "$home/agent.yaml" >"$home/log" 2>&1 &
    started+=($!)
done
running() { [ "$(cli device list "running = \"gateway@$1\"" -o json | grep -c '"name"')" = "$count" ]; }
enrolled() { [ "$(cli device list 'status = "active"' -o json | grep -o '"status"' | wc -l)" = "$count" ]; }
wait_for 60 "the devices to enrol" enrolled
try device list 'site = "oslo"'

# ---- a good release ----

say "Linux $second reaches the fleet in stages: 2 devices, then half, then all"
try rollout create "linux-$second" --release "gateway@$second" --selector 'product = "gateway"' \
    --stages 2,50%,100% --soak 3s --failure-percent 10 --min-sample 2 --deadline 2m --dry-run
try rollout create "linux-$second" --release "gateway@$second" --selector 'product = "gateway"' \
    --stages 2,50%,100% --soak 3s --failure-percent 10 --min-sample 2 --deadline 2m --start
try rollout watch "linux-$second"
try rollout report "linux-$second"

# ---- a bad one ----

say "The broken build: correctly signed, but its kernel would not start"
try rollout create "linux-$broken" --release "gateway@$broken" --selector 'product = "gateway"' \
    --stages 2,50%,100% --soak 3s --failure-percent 10 --min-sample 2 --deadline 2m --start
try rollout watch "linux-$broken" || [ $? = 5 ] # 5: halted
back() { ! cli rollout devices "linux-$broken" -o json | grep -qE '"(switching|trial)"'; }
wait_for 60 "the devices to fall back" back
try rollout report "linux-$broken"

say "Why? Ask a device that fell back, and one that never got it"
harmed=$(cli rollout devices "linux-$broken" -o json |
    grep -oE '"(device|name)" *: *"gw-[0-9]+"' | grep -oE 'gw-[0-9]+' | sort | head -1)
try device explain "${harmed:-gw-01}"
try device explain "gw-$count"

say "The audit log, checked offline"
try audit export --out run/audit.jsonl
try audit verify run/audit.jsonl --key run/server/data/pki/audit.pub

say "The server and the fleet keep running; Ctrl-C stops them. Try, in another terminal:"
slipway=${build#"$PWD/"}/src/cli/slipway
cat <<TEXT
  $slipway --context run/context.yaml device list
  $slipway --context run/context.yaml device history gw-01
  $slipway --context run/context.yaml rollout resume linux-$broken
  $slipway --context run/context.yaml rollout rollback linux-$second
  $slipway --context run/context.yaml audit tail
  curl --cacert run/server/data/pki/ca.crt https://127.0.0.1:$port/healthz
TEXT
[ -n "${SLIPWAY_DEMO_END:-}" ] || wait "$server"
