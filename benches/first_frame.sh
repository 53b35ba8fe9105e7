#!/usr/bin/env bash
# How long somebody who joins a node waits for the first picture once DTLS is done, and how many
# keyframes that costs the publisher, who makes none unasked: one join a second, on loopback.
#
#   benches/first_frame.sh [JOINS]
set -euo pipefail
cd "$(dirname "$0")/.."

joins=${1:-60}
cargo build --release --bin farcast-origin --bin farcast
at=127.0.0.1:18082
said=$(mktemp)
target/release/farcast-origin --open --http "$at" --udp "$at" --log warn >"$said" &
origin=$!
trap 'kill "$origin" 2>/dev/null || true; rm -f "$said"' EXIT
for _ in $(seq 100); do
    grep -q listens "$said" && break
    sleep 0.1
done
target/release/farcast load --whip "http://$at/whip/load" --whep "http://$at/whep/load" \
    --viewers "$joins" --ramp 1/s --secs 1 --pid "$origin"
