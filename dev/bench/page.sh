#!/usr/bin/env bash
# Kernel timestamp to the row in an open page of the console (detections; events), in real Chromium, with `yagura up`
# and RATE events/s (1,000) of real kernel load beside it. Needs root. Prints one JSON object for each rate.
set -euo pipefail
cd "$(dirname "$0")/../.."
rates=${*:-"1000"}
bin=${BIN:-bin}
marks=${MARKS:-40}
bash dev/web.sh deps
work=$(mktemp -d)
finish() {
	[ -n "${load:-}" ] && kill "$load" 2>/dev/null || true
	[ -n "${pid:-}" ] && kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
	rm -rf "$work"
}
trap finish EXIT
go build -o "$work/load" ./dev/bench/load
go build -o "$work/latency" ./dev/bench/latency
for rate in $rates; do
	"$bin/yagura" up --data "$work/data" --listen 127.0.0.1:0 --sensor-listen 127.0.0.1:0 --ready-file "$work/ready" >"$work/log" 2>&1 &
	pid=$!
	for _ in $(seq 300); do [ -s "$work/ready" ] && break; sleep 0.2; done
	[ -s "$work/ready" ] || { cat "$work/log"; exit 1; }
	sleep 3
	echo "== $rate events/s asked"
	if [ "$rate" != 0 ]; then
		"$work/load" -rate "$rate" -for 5m >"$work/load.json" &
		load=$!
		sleep 3
	fi
	"$work/latency" -ready "$work/ready" -data "$work/data" -for "$((marks * 5 / 2 + 20))s" -search=false >"$work/latency.json" &
	latency=$!
	field() { sed -nE "s/.*\"$1\": *\"([^\"]+)\".*/\1/p" "$work/ready"; }
	(cd web && node e2e/speed.mjs --url "$(field url)" --sign-in "$(field sign_in)" --data "$work/data" --yagura "$(cd .. && cd "$bin" && pwd)/yagura" --marks "$marks")
	wait "$latency" || true
	cat "$work/latency.json"
	[ -n "${load:-}" ] && { kill -INT "$load" 2>/dev/null || true; wait "$load" || true; }
	load=
	kill -TERM "$pid" && wait "$pid" || true
	pid=
	rm -rf "$work/data" "$work/ready"
done
