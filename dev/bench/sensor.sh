#!/usr/bin/env bash
# What the sensor costs on this machine: run time of each kernel program, exec storm with and without it, and CPU and
# memory (Pss) of bin/yagura-sensor at rest, at 500 and at 5,000 events a second. Called by make bench-sensor, as root,
# from the repository's root. The figures mean something on a quiet machine only; the exec storm says so itself.
set -euo pipefail
if [ "$(id -u)" != 0 ]; then
  echo "bench-sensor: needs root, it loads BPF programs: sudo make bench-sensor" >&2
  exit 1
fi
echo "# $(uname -sr), $(nproc) CPUs, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), load $(cut -d' ' -f1 /proc/loadavg)"
go test -run '^$' -bench . -benchtime 1x ./internal/sensor/sight | grep -v '^ok\|^PASS\|^goos\|^goarch\|^pkg\|^cpu'
go test -run '^$' -bench . -benchmem ./internal/sensor/probe ./internal/sensor/proctree | grep ^Benchmark

work=$(mktemp -d)
go build -o "$work/acts" ./dev/bench/acts
bin/yagura-sensor watch >/dev/null 2>"$work/log" &
sensor=$!
trap 'kill $sensor 2>/dev/null || true; wait $sensor 2>/dev/null || true; rm -rf "$work"' EXIT
sleep 3
if ! kill -0 $sensor; then cat "$work/log" >&2; exit 1; fi
ticks() { awk '{print $14 + $15}' /proc/$sensor/stat; }
pss() { awk '/^Pss:/ {printf "%.1f", $2 / 1024}' /proc/$sensor/smaps_rollup; }
seconds=${SECONDS_EACH:-20}
for rate in 0 500 5000; do
  before=$(ticks)
  if [ $rate = 0 ]; then sleep "$seconds"; else "$work/acts" $rate "$seconds" "$work"; fi
  after=$(ticks)
  awk -v r=$rate -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v s="$seconds" -v p="$(pss)" \
    'BEGIN {printf "sensor at %d events/s: %.1f %% of one CPU, Pss %s MiB\n", r, 100 * t / hz / s, p}'
done
