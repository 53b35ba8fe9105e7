#!/usr/bin/env bash
# What a relayed packet costs farcast-turn and coturn under the load of coturn's own client: CPU
# time of the server over all its threads, in turns on the same machine. Linux; wants coturn and
# openssl (scripts/install-test-tools) and both servers' default ports free on loopback.
#
#   benches/turn_vs_coturn.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-3}
cargo build --release --bin farcast-turn
lab=$(mktemp -d)
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$lab"' EXIT
servers=()

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=turn.lab.test -keyout "$lab/key.pem" -out "$lab/cert.pem" 2>"$lab/openssl.log"

cat >"$lab/turn.toml" <<TOML
listen = "127.0.0.1:3578"
tls_listen = "127.0.0.1:5549"
[tls]
cert = "cert.pem"
key = "key.pem"
[turn]
realm = "lab.test"
users = ["alice:secret"]
relay_ip = "127.0.0.1"
ports = "30000-49151"
allow_peers = ["127.0.0.0/8"]
per_user = 10000
TOML
target/release/farcast-turn --config "$lab/turn.toml" >"$lab/farcast.log" 2>&1 &
farcast=$!
servers+=("$farcast")

turnserver -n -L 127.0.0.1 -E 127.0.0.1 -p 3478 --tls-listening-port 5349 --lt-cred-mech \
    -r lab.test -u alice:secret --allow-loopback-peers --cert "$lab/cert.pem" \
    --pkey "$lab/key.pem" -m 1 --min-port 49152 --max-port 65000 --no-cli --no-multicast-peers \
    --pidfile "$lab/coturn.pid" --no-stdout-log --log-file "$lab/coturn.log" --simple-log \
    >"$lab/coturn.out" 2>&1 &
coturn=$!
servers+=("$coturn")

turnutils_peer -L 127.0.0.1 -p 3480 >"$lab/peer.log" 2>&1 &
servers+=("$!")
sleep 2
for server in "${servers[@]}"; do
    kill -0 "$server" || { cat "$lab"/*.log "$lab/coturn.out"; exit 1; }
done

# Nanoseconds that all threads of a process have been on a CPU.
cpu() { cat "/proc/$1/task/"*/schedstat | awk '{ total += $1 } END { printf "%.0f", total }'; }

# Nanoseconds of CPU per relayed packet, and the percentage that was lost.
cost() { # PID PORT TLS_PORT FLAGS…
    local server=$1 port=$2 before after
    [[ " ${*:4} " == *" -S "* ]] && port=$3
    before=$(cpu "$server")
    timeout 120 turnutils_uclient -u alice -w secret -e 127.0.0.1 -r 3480 -p "$port" "${@:4}" \
        127.0.0.1 >"$lab/client.log" 2>&1 || { cat "$lab/client.log" >&2; return 1; }
    after=$(cpu "$server")
    awk -v used=$((after - before)) '
        /tot_send_msgs=/ {
            match($0, /tot_send_msgs=[0-9]+/); sent = substr($0, RSTART + 14, RLENGTH - 14)
            match($0, /tot_recv_msgs=[0-9]+/); came = substr($0, RSTART + 14, RLENGTH - 14)
        }
        /Total lost packets/ { match($0, /\([0-9.]+%/); lost = substr($0, RSTART + 1, RLENGTH - 2) }
        END { printf "%.0f %.1f\n", used / (sent + came), lost }
    ' "$lab/client.log"
}

best() { sort -n | head -1; }

echo "CPU ns of the server per relayed packet, the best of $rounds rounds, and packets lost"
echo
echo "| client | bytes | farcast-turn | coturn | ratio | lost % |"
echo "|---|---|---|---|---|---|"
load() { # NAME BYTES FLAGS…
    local name=$1 bytes=$2
    : >"$lab/ours"
    : >"$lab/theirs"
    for _ in $(seq "$rounds"); do
        cost "$farcast" 3578 5549 -l "$bytes" "${@:3}" >>"$lab/ours"
        cost "$coturn" 3478 5349 -l "$bytes" "${@:3}" >>"$lab/theirs"
    done
    read -r ours ours_lost < <(best <"$lab/ours")
    read -r theirs theirs_lost < <(best <"$lab/theirs")
    printf '| %s | %s | %s | %s | %s | %s / %s |\n' "$name" "$bytes" "$ours" "$theirs" \
        "$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.2f", a / b }')" \
        "$ours_lost" "$theirs_lost"
}
for bytes in 160 1200; do
    load "UDP, ChannelData" "$bytes" -c -m 10 -n 5000 -z 1
    load "UDP, Send and Data" "$bytes" -c -m 10 -n 5000 -z 1 -s
    load "TCP, ChannelData" "$bytes" -c -m 10 -n 5000 -z 1 -t
    load "TLS, ChannelData" "$bytes" -c -m 20 -n 500 -z 10 -t -S
done
