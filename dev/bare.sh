#!/usr/bin/env bash
# Proves `make up` as a stranger has it: a debootstrapped Debian bookworm with Go and empty caches. Builds,
# starts, waits until the server takes events from the sensor, stops, and prints the minutes, cold and warm.
# Needs root and the network; removes its folder and mounts in every case.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "bare: skipped: debootstrap and chroot need root"
	exit 0
fi
command -v debootstrap >/dev/null 2>&1 || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap; }

root=$(mktemp -d /var/tmp/yagura-bare.XXXXXX)
mounted=()
finish() {
	for m in "${mounted[@]}"; do umount -l "$root/$m" 2>/dev/null || true; done
	for m in "${mounted[@]}"; do
		if mountpoint -q "$root/$m"; then
			echo "bare: $root/$m is still mounted: not removing $root" >&2
			return
		fi
	done
	rm -rf --one-file-system "$root"
}
trap finish EXIT

echo "bare: debootstrap bookworm"
debootstrap --variant=minbase --include=ca-certificates,make bookworm "$root" >"$root.log" 2>&1 || { tail -20 "$root.log"; rm -f "$root.log"; exit 1; }
rm -f "$root.log"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp -r /etc/ssl/certs/. "$root/etc/ssl/certs/"
if [ -d /usr/local/share/ca-certificates ]; then
	mkdir -p "$root/usr/local/share/ca-certificates"
	cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
fi
cp -rL /usr/share/ca-certificates "$root/usr/share/" 2>/dev/null || true
mkdir -p "$root/usr/local/go" "$root/src"
cp -r "$(go env GOROOT)/." "$root/usr/local/go/"
git clone -q . "$root/src/yagura"
for m in proc sys dev; do
	mount --rbind "/$m" "$root/$m"
	mount --make-rslave "$root/$m"
	mounted+=("$m")
done

inside() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin GOFLAGS=-buildvcs=false GOPROXY="$(go env GOPROXY)" "$@"; }

run_up() { # NAME: one make up until events flow; prints the seconds
	local begin=$SECONDS pid code=0
	rm -f "$root/ready.json"
	inside make -C /src/yagura up ARGS="--data /var/lib/yagura --listen 127.0.0.1:18443 --sensor-listen 127.0.0.1:18444 --ready-file /ready.json" >"$root/up-$1.log" 2>&1 &
	pid=$!
	while [ ! -s "$root/ready.json" ]; do
		if ! kill -0 "$pid" 2>/dev/null; then
			tail -40 "$root/up-$1.log"
			echo "bare: make up ($1) ended before it was ready" >&2
			return 1
		fi
		if [ $((SECONDS - begin)) -gt 1500 ]; then
			tail -40 "$root/up-$1.log"
			echo "bare: make up ($1) was not ready in 25 minutes" >&2
			return 1
		fi
		sleep 1
	done
	for _ in $(seq 60); do
		if inside /src/yagura/bin/yagura --data /var/lib/yagura hosts --json | grep -q '"state": "reporting"'; then break; fi
		sleep 1
	done
	inside /src/yagura/bin/yagura --data /var/lib/yagura hosts
	inside /src/yagura/bin/yagura --data /var/lib/yagura hosts --json | grep -q '"state": "reporting"' || { tail -40 "$root/up-$1.log"; echo "bare: no host reports" >&2; code=1; }
	printf 'bare: make up, %s: %d min %d s\n' "$1" $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))
	kill -TERM "$(sed -nE 's/.*"pid": ?([0-9]+).*/\1/p' "$root/ready.json" | head -1)"
	wait "$pid" || true
	return $code
}
run_up cold
run_up warm
