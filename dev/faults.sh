#!/usr/bin/env bash
# Ten minutes of what breaks servers (dev/faults): clock jumps, full disk, full inodes, workers that die, a flipped byte of a
# segment, kill -9. Prints one JSON line; fails unless lost, duplicates, altered, silent and unhealed are 0. Root, for a small
# disk of its own. Arguments go to dev/faults, such as -for 3m -only clock -seed 7.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "faults: needs root to mount a small disk: run 'sudo make soak-faults'" >&2
	exit 1
fi
work=$(mktemp -d /tmp/yagura-faults.XXXXXX)
cleanup() {
	umount "$work/disk" 2>/dev/null || true
	if [ "${KEEP:-}" = "" ]; then rm -rf "$work"; else echo "kept: $work" >&2; fi
}
trap cleanup EXIT

# The server with a wall clock that can be moved: Go's own time package, built with one line more. It is built for this test
# only; the first time takes minutes, since everything is built again on top of it.
build=$PWD/.tools/faults
mkdir -p "$build"
src=$(go env GOROOT)/src/time/time.go
sed 's/^\tsec, nsec, mono := \(runtimeNow\|now\)()$/&\n\tsec += soakOffset()/' "$src" >"$build/time.go"
cmp -s "$src" "$build/time.go" && { echo "faults: this Go's time.Now is written otherwise: mend the line above" >&2; exit 1; }
cp dev/faults/clock.go.txt "$build/clock.go"
printf '{"Replace":{"%s":"%s","%s":"%s"}}' "$src" "$build/time.go" "$(dirname "$src")/zz_soak.go" "$build/clock.go" >"$build/overlay.json"
go build -overlay "$build/overlay.json" -tags duckdb,duckdb_arrow -o "$build/yagura" ./cmd/yagura
go build -o "$build/faults" ./dev/faults

truncate -s 600M "$work/image"
mkfs.ext4 -q -m 0 -N 6000 "$work/image"
mkdir "$work/disk"
mount -o loop "$work/image" "$work/disk"
"$build/faults" -bin "$build/yagura" -disk "$work/disk" "$@"
