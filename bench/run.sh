#!/bin/sh
# Every published figure, measured on this machine; peers run in the same run.
#   usage: bench/run.sh BUILD_DIR      (a release build)
# What the figures mean and what was seen is in docs/design/figures.md.
set -eu
cd "$(dirname "$0")/.."
SLIPWAY_BUILD=$(cd "$1" && pwd)
export SLIPWAY_BUILD
python3 bench/requests_rate.py
python3 bench/ddi_poll.py
python3 bench/mender_poll.py
python3 bench/fleet_memory.py
python3 bench/transfer.py
python3 bench/seal.py
python3 bench/tuf_refresh.py
tools/m4.sh
