#!/usr/bin/env bash
# The server and its workers with RATE events/s (5,000) from HOSTS synthetic sensors (50) over the real protocol: events
# accepted, judged and searchable lag, Pss and CPU idle and under load, bytes per stored event. No root, no sensor of this
# host: generator and server share its cores. LENGTH is how long the load lasts (130 s); RECORDING, an NDJSON of
# `yagura-sensor watch`, takes the place of the built-in shapes.
set -euo pipefail
cd "$(dirname "$0")/../.."
rate=${RATE:-5000} hosts=${HOSTS:-50} length=${LENGTH:-130} bin=${BIN:-bin}
work=$(mktemp -d)
finish() {
	[ -n "${load:-}" ] && kill "$load" 2>/dev/null || true
	[ -n "${pid:-}" ] && kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
	rm -rf "$work"
}
trap finish EXIT
go build -o "$work/flood" ./dev/bench/flood
go build -o "$work/latency" ./dev/bench/latency
"$bin/yagura" server --data "$work/data" --listen 127.0.0.1:0 --sensor-listen 127.0.0.1:0 --ready-file "$work/ready" >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 300); do [ -s "$work/ready" ] && break; sleep 0.2; done
[ -s "$work/ready" ] || { cat "$work/log"; exit 1; }
echo "== idle"
"$work/latency" -ready "$work/ready" -data "$work/data" -for "${IDLE:-15}s" -search=false
echo "== $rate events/s from $hosts sensors"
"$work/flood" -data "$work/data" -hosts "$hosts" -rate "$rate" -for "${length}s" ${RECORDING:+-recording "$RECORDING"} >"$work/flood.json" &
load=$!
sleep 10
"$work/latency" -ready "$work/ready" -data "$work/data" -for "$((length - 20))s" -kinds process.exec
wait "$load" && load=
cat "$work/flood.json"
echo "detections: $("$bin/yagura" --data "$work/data" detections --limit 5000 --json | grep -c '"rule_id"\|"ruleId"')"
# Everything is sealed a minute after it came; segments are merged in rounds of half a minute.
sleep "${SEAL:-70}"
bash dev/bench/stored.sh "$work/data"
grep -E 'level=(WARN|ERROR)' "$work/log" | cut -c1-300 | sort | uniq -c | sort -rn | head -8 || true
