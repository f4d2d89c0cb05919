#!/usr/bin/env bash
# What the sensor costs on this machine: run time of each kernel program, exec storm with and without it, memory (Pss)
# at rest, decoding and naming. Its CPU and memory in service are in latency.sh. Called by make bench-sensor, as root,
# from the repository's root. The figures mean something on a quiet machine only; the exec storm says so itself.
set -euo pipefail
if [ "$(id -u)" != 0 ]; then
  echo "bench-sensor: needs root, it loads BPF programs: sudo make bench-sensor" >&2
  exit 1
fi
echo "# $(uname -sr), $(nproc) CPUs, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), load $(cut -d' ' -f1 /proc/loadavg)"
go test -run '^$' -bench . -benchtime 1x -timeout 30m ./internal/sensor/linux/sight | grep -v '^ok\|^PASS\|^goos\|^goarch\|^pkg\|^cpu'
go test -run '^$' -bench . -benchmem ./internal/sensor/linux/probe ./internal/sensor/linux/decode ./internal/sensor/proctree | grep ^Benchmark
