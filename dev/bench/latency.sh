#!/usr/bin/env bash
# Kernel timestamp to live stream and to searchable, memory and CPU, with `yagura up` idle and at 500, 1,000
# and 5,000 events/s of real kernel load. Needs root. Prints one JSON object for each rate.
set -euo pipefail
cd "$(dirname "$0")/../.."
rates=${*:-"0 500 1000 5000"}
work=$(mktemp -d)
finish() {
	[ -n "${pid:-}" ] && kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
	rm -rf "$work"
}
trap finish EXIT
go build -o "$work/load" ./dev/bench/load
go build -o "$work/latency" ./dev/bench/latency
bin/yagura up --data "$work/data" --listen 127.0.0.1:18543 --sensor-listen 127.0.0.1:18544 --ready-file "$work/ready" >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 300); do [ -s "$work/ready" ] && break; sleep 0.2; done
[ -s "$work/ready" ] || { cat "$work/log"; exit 1; }
sleep 5
for rate in $rates; do
	echo "== $rate events/s"
	load=
	if [ "$rate" != 0 ]; then
		"$work/load" -rate "$rate" -for 40s >"$work/load.json" &
		load=$!
		sleep 5
	fi
	"$work/latency" -ready "$work/ready" -data "$work/data" -for 30s
	[ -n "$load" ] && wait "$load" && cat "$work/load.json"
	sleep 3
done
bin/yagura --data "$work/data" hosts
