#!/usr/bin/env bash
# make efficacy [ARGS="T1059.004 T1070.003#2"]: the open attacks of YAGURA_DATA/atomic-linux, live, each in a room that is
# thrown away (dev/efficacy). Prints what was detected as `sh -c` and as a script file; result.json, history.ndjson and the
# events of every test stay in EFFICACY_OUT; EFFICACY_FLAGS gives more of its flags. Needs root, debootstrap, cgroup2; skips
# where it cannot run. About 15 minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${YAGURA_DATA:-../shared/data}/atomic-linux
if [ ! -d "$data" ]; then
	echo "efficacy: skipped: no $data: set YAGURA_DATA to the folder with the public data sets"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "efficacy: skipped: the sensor and the rooms need root"
	exit 0
fi
cache=${EFFICACY_CACHE:-/var/tmp/yagura-efficacy}
out=${EFFICACY_OUT:-$cache/out}
mkdir -p "$cache" "$out"
bash dev/efficacy/root.sh "$cache/root"
work=$(mktemp -d "$cache/run.XXXXXX")
finish() { rm -rf --one-file-system "$work"; }
trap finish EXIT
# Without C every thread drops its capabilities; and the parent of every test is no program in a temporary folder.
CGO_ENABLED=0 go build -o bin/efficacy ./dev/efficacy
bin/efficacy -data "$(realpath "$data")" -root "$cache/root" -work "$work/rooms" -out "$out" -bin "${BIN:-bin}" \
	-commit "${EFFICACY_COMMIT:-$(git describe --tags --always --dirty 2>/dev/null || echo unknown)}" ${EFFICACY_FLAGS:-} "$@" 2> >(tee "$out/log" >&2) | tee "$out/report.txt"
echo "efficacy: kept in $out: report.txt, result.json, history.ndjson, events/, printed/"
