#!/usr/bin/env bash
# Time from the CLI's order to the host's signed proof, over N runs (20): kill of a process, and isolate and
# release of a cgroup made for the purpose (so that the benchmark cuts nothing else off). Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
n=${1:-20}
work=$(mktemp -d)
group=
finish() {
	[ -n "${pid:-}" ] && kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
	[ -n "$group" ] && rmdir "$group" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
root=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
if [ -n "$root" ]; then
	group=$root/yagura-bench-$$
	mkdir "$group"
	mkdir -p "$work/data/sensor"
	printf 'cgroup: %s\n' "$group" >"$work/sensor.yaml"
fi
bin/yagura up --data "$work/data" --listen 127.0.0.1:18643 --sensor-listen 127.0.0.1:18644 --ready-file "$work/ready" ${group:+--sensor-config "$work/sensor.yaml"} >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 300); do [ -s "$work/ready" ] && break; sleep 0.2; done
[ -s "$work/ready" ] || { cat "$work/log"; exit 1; }
y() { bin/yagura --data "$work/data" "$@"; }
sleep 3
host=$(y hosts --json | sed -nE 's/.*"id": "(h-[^"]+)".*/\1/p' | head -1)
now() { date +%s%N; }
summary() { sort -n | awk '{v[NR]=$1} END {printf "n %d  p50 %.0f ms  p95 %.0f ms  max %.0f ms\n", NR, v[int((NR+1)*0.5)], v[int(NR*0.95+0.5)], v[NR]}'; }

echo "== kill"
for _ in $(seq "$n"); do
	sleep 60 >/dev/null &
	victim=$!
	ref=
	for _ in $(seq 50); do
		ref=$(y events list --kind process.exec --limit 200 --json 2>/dev/null | grep "\"actor_pid\":\"$victim\"" | sed -nE 's/.*"process":"([^"]+)".*/\1/p' | head -1 || true)
		[ -n "$ref" ] && break
		sleep 0.2
	done
	[ -n "$ref" ] || { echo "the process was not seen" >&2; kill "$victim"; continue; }
	begin=$(now)
	y respond kill "$ref" --reason bench >/dev/null || true
	echo $((($(now) - begin) / 1000000))
	{ wait "$victim"; } 2>/dev/null || true
done | summary
if [ -n "$group" ]; then
	echo "== isolate"
	for _ in $(seq "$n"); do
		begin=$(now)
		y respond isolate "$host" --for 60s --reason bench >/dev/null
		echo $((($(now) - begin) / 1000000))
		y respond release "$host" --reason bench >/dev/null
	done | summary
else
	echo "== isolate: skipped: no cgroup2 is mounted, and the whole host is not cut off for a benchmark"
fi
