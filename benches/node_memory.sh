#!/usr/bin/env bash
# What memory a node takes: idle, and with many viewers as Farcast's SDK makes them, a WebSocket
# each that stays open, where it may have so much and no more. Linux.
#
#   benches/node_memory.sh [VIEWERS] [MEGABYTES]
set -euo pipefail
cd "$(dirname "$0")/.."

viewers=${1:-2000}
megabytes=${2:-2048}
cargo build --release --bin farcast-origin --bin farcast
lab=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$lab"' EXIT

# Starts an origin at this port, by this command; its process is then in $origin.
start() { # PORT COMMAND…
    local at=127.0.0.1:$1
    "${@:2}" target/release/farcast-origin --open --http "$at" --udp "$at" --log warn \
        >"$lab/$1.out" 2>"$lab/$1.err" &
    servers+=("$!")
    for _ in $(seq 100); do
        grep -q listens "$lab/$1.out" && break
        sleep 0.1
    done
    grep -q listens "$lab/$1.out" || { cat "$lab/$1.err"; exit 1; }
    # All these commands become what they start.
    origin=${servers[-1]}
}

# Megabytes of this kind that a process has: VmRSS (now), VmHWM (at most), VmPeak (addresses).
memory() { awk -v kind="$2:" '$1 == kind { printf "%.1f", $2 * 1024 / 1e6 }' "/proc/$1/status"; }

start 18080 env
at_start=$(memory "$origin" VmRSS)
sleep 60
echo "idle: $at_start MB right after the start, $(memory "$origin" VmRSS) MB after a minute"

# A memory cgroup counts what the kernel holds for sockets too; where systemd does not run, the
# address space is limited instead, which is more than what is resident.
if [[ -d /run/systemd/system ]]; then
    limit="a memory cgroup of $megabytes MB"
    manager=--system
    [[ $(id -u) == 0 ]] || manager=--user
    start 18081 systemd-run "$manager" --scope --quiet -p "MemoryMax=${megabytes}M" \
        -p MemorySwapMax=0
else
    limit="an address space of $megabytes MB; what the kernel holds for sockets is not in it"
    start 18081 prlimit --as=$((megabytes << 20))
fi
echo
(sleep $((viewers / 50 + 10)); grep -E '^(TCP|UDP):' /proc/net/sockstat >"$lab/sockets") &
target/release/farcast load --whip http://127.0.0.1:18081/whip/load \
    --whep http://127.0.0.1:18081/whep/load --viewers "$viewers" --ws --ramp 50/s --secs 20 \
    --kbps 50 --no-audio --pid "$origin" || echo "not all of them got a picture"
echo
echo "$viewers viewers in $limit: $(memory "$origin" VmHWM) MB resident at most," \
    "$(memory "$origin" VmPeak) MB of addresses; sockets of this machine meanwhile:"
cat "$lab/sockets"
