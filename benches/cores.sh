#!/usr/bin/env bash
# How much further two hubs on two cores get than one: the same viewers watch a node with one core,
# then one with two, and the CPU time of its busiest thread is compared. What the tester takes of
# the same cores does not count.
#
#   benches/cores.sh [VIEWERS] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
viewers=${1:-200} secs=${2:-15}
bin=${FARCAST_BIN:-target/release}
port=18480
origin=

trap '[ -z "$origin" ] || kill "$origin" 2>/dev/null || true' EXIT

# Clock ticks that each thread of a process has used.
ticks() {
  for task in /proc/"$1"/task/*/stat; do sed 's/.*) //' "$task" | awk '{ print $12 + $13 }'; done
}

# Packets that were forwarded.
forwarded() {
  curl -s "http://127.0.0.1:$port/metrics" | awk '/^farcast_forwarded_packets_total/ { print $2 }'
}

measure() {
  "$bin/farcast-origin" --open --http "127.0.0.1:$port" --cores "$1" --log warn >/dev/null &
  origin=$!
  sleep 1
  "$bin/farcast" load --whip "http://127.0.0.1:$port/whip/cores" \
    --whep "http://127.0.0.1:$port/whep/cores" --viewers "$viewers" --ramp 50/s \
    --secs $((secs + 5)) --json >/dev/null &
  local load=$!
  sleep $((viewers / 50 + 4))
  local before after packets
  mapfile -t before < <(ticks "$origin")
  packets=$(forwarded)
  sleep "$secs"
  packets=$(($(forwarded) - packets))
  mapfile -t after < <(ticks "$origin")
  local busiest=0 all=0
  for thread in "${!after[@]}"; do
    local used=$((${after[$thread]} - ${before[$thread]:-0}))
    all=$((all + used))
    [ "$used" -le "$busiest" ] || busiest=$used
  done
  wait "$load" || true
  kill "$origin"
  wait "$origin" 2>/dev/null || true
  origin=
  echo "$packets $busiest $all"
}

read -r packets_one ticks_one all_one < <(measure 1)
read -r packets_two ticks_two all_two < <(measure 2)
awk -v p1="$packets_one" -v t1="$ticks_one" -v a1="$all_one" \
  -v p2="$packets_two" -v t2="$ticks_two" -v a2="$all_two" \
  -v hz="$(getconf CLK_TCK)" -v n="$viewers" 'BEGIN {
    one = p1 / (t1 / hz); two = p2 / (t2 / hz)
    print "| cores | viewers | packets | CPU, s | busiest thread, s | packets per second of its CPU |"
    print "|---|---|---|---|---|---|"
    printf "| 1 | %d | %d | %.2f | %.2f | %.0f |\n", n, p1, a1 / hz, t1 / hz, one
    printf "| 2 | %d | %d | %.2f | %.2f | %.0f |\n", n, p2, a2 / hz, t2 / hz, two
    printf "\ntwo cores: %.2f times one\n", two / one
  }'
