#!/usr/bin/env bash
# Kernel timestamp to live stream and to searchable, memory and CPU, with `yagura up` idle and at 500, 1,000
# and 5,000 events/s of real kernel load. Needs root. Prints one JSON object for each rate.
set -euo pipefail
cd "$(dirname "$0")/../.."
rates=${*:-"0 500 1000 5000"}
bin=${BIN:-bin}
seconds=${SECONDS_EACH:-40}
work=$(mktemp -d)
finish() {
	[ -n "${pid:-}" ] && kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
	rm -rf "$work"
}
trap finish EXIT
go build -o "$work/load" ./dev/bench/load
go build -o "$work/latency" ./dev/bench/latency
"$bin/yagura" up --data "$work/data" --listen 127.0.0.1:0 --sensor-listen 127.0.0.1:0 --ready-file "$work/ready" >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 300); do [ -s "$work/ready" ] && break; sleep 0.2; done
[ -s "$work/ready" ] || { cat "$work/log"; exit 1; }
sleep 5
for rate in $rates; do
	echo "== $rate events/s"
	load=
	if [ "$rate" != 0 ]; then
		# Behind everything that is measured: two cores are few for the generator and all it feeds, and its many processes
		# would take both at any other niceness.
		nice -n 19 "$work/load" -rate "$rate" -for "$((seconds + 10))s" >"$work/load.json" &
		load=$!
		sleep 5
	fi
	# Idle there is nothing but the sensor's own proof of sight to see; under load a tail of everything is a load.
	"$work/latency" -ready "$work/ready" -data "$work/data" -for "${seconds}s" ${load:+-kinds process.exec,file.delete}
	[ -n "$load" ] && wait "$load" && cat "$work/load.json"
	sleep 3
done
"$bin/yagura" --data "$work/data" hosts
# What it cost on disk; everything is sealed a minute after it came.
sleep "${SEAL:-70}"
bash dev/bench/stored.sh "$work/data"
