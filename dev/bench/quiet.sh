#!/usr/bin/env bash
# An hour of an honest host: `yagura up` watches this machine while it builds this project with cold caches, installs
# the console's packages, and upgrades and reinstalls every package of a throw-away Debian root; the rest of the time
# it idles. High and critical detections of that work must be 0; those of whatever else ran on the machine meanwhile
# are listed as "beside". Needs root. MINUTES=60 by default.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:-60}
if [ "$(id -u)" != 0 ]; then
	echo "quiet: skipped: the sensor and the throw-away root need root"
	exit 0
fi
sh dev/need.sh test
work=$(mktemp -d /var/tmp/yagura-quiet.XXXXXX)
root=$work/root
finish() {
	[ -n "${load:-}" ] && kill -TERM -- "-$load" 2>/dev/null || true
	[ -n "${pid:-}" ] && kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
	for m in dev sys proc; do umount -l "$root/$m" 2>/dev/null || true; done
	if mountpoint -q "$root/proc" || mountpoint -q "$root/dev"; then
		echo "quiet: $root is still mounted: not removing it" >&2
		return
	fi
	chmod -R u+w "$work" 2>/dev/null || true
	rm -rf --one-file-system "$work"
}
trap finish EXIT
go build -o "$work/quiet" ./dev/bench/quiet
echo "quiet: a throw-away bookworm for the upgrade"
debootstrap --include=ca-certificates,cron,man-db,openssh-server,logrotate bookworm "$root" >"$work/debootstrap.log" 2>&1 || { tail -20 "$work/debootstrap.log"; exit 1; }
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp -L --remove-destination /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
# The root reaches its packages the way this machine does, and starts no service.
cp -n /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/"
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/apt.conf.d/docker-*
cp /etc/apt/sources.list "$root/etc/apt/" 2>/dev/null || true
cp /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources "$root/etc/apt/sources.list.d/" 2>/dev/null || true
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
for m in proc sys dev; do
	mount --rbind "/$m" "$root/$m"
	mount --make-rslave "$root/$m"
done
git clone -q . "$work/src"
cp bin/yagura bin/yagura-sensor "$work/" # a build beside must not change what is measured

"$work/yagura" up --data "$work/data" --listen 127.0.0.1:0 --sensor-listen 127.0.0.1:0 --ready-file "$work/ready" >"$work/up.log" 2>&1 &
pid=$!
for _ in $(seq 300); do [ -s "$work/ready" ] && break; sleep 0.2; done
[ -s "$work/ready" ] || { cat "$work/up.log"; exit 1; }
sleep 5
begin=$SECONDS
cat >"$work/honest.sh" <<'HONEST'
root=$1 src=$2 log=$3
step() { echo "quiet: $* ($(date -u +%T))"; }
step apt-get upgrade
chroot "$root" apt-get update >>"$log" 2>&1
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get -y upgrade >>"$log" 2>&1 || echo "quiet: the upgrade failed, see its log"
step every package again
chroot "$root" sh -c 'DEBIAN_FRONTEND=noninteractive apt-get -y --reinstall install $(dpkg-query -f "\${Package} " -W)' >>"$log" 2>&1 || echo "quiet: the reinstall failed, see its log"
step go build, cold
cd "$src" && GOCACHE=$src/.cache go build ./... >>"$log" 2>&1 || echo "quiet: go build failed, see its log"
step npm
cd "$src/web" && { npm ci >>"$log" 2>&1 || npm install --no-save >>"$log" 2>&1 || echo "quiet: npm failed, see its log"; }
step idle
sleep infinity
HONEST
setsid bash "$work/honest.sh" "$root" "$work/src" "$work/honest.log" &
load=$!
while [ $((SECONDS - begin)) -lt $((minutes * 60)) ]; do
	sleep 60 &
	wait $!
	printf 'quiet: minute %d of %d\n' $(((SECONDS - begin) / 60)) "$minutes"
done
"$work/yagura" --data "$work/data" hosts
grep -c . "$work/honest.log" | sed 's/^/quiet: lines the work printed: /'
tail -3 "$work/honest.log"
"$work/quiet" "$work/yagura" "$work/data" "$load"
