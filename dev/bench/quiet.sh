#!/usr/bin/env bash
# quiet.sh [10m|60m|MINUTES]: an honest host. `yagura up` watches this machine while it does what servers do, in a cgroup by
# which the detections of that work are told from those of whatever else runs here; high and critical ones must be 0.
# Up to half an hour: package installs, a cold build, backups, a web server whose pages call programs, two databases, cron,
# logrotate, configuration by ssh, copies of folders that are called like tools - again and again, until the time is over.
# Longer: first an upgrade and every package of a Debian again, a cold `go build`, npm; then the same. At the end the benign
# events of YAGURA_DATA/rule-events are replayed, if they are there. Needs root; leaves nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:-60}
minutes=${minutes%m}
if [ "$(id -u)" != 0 ]; then
	echo "quiet: skipped: the sensor and the throw-away root need root"
	exit 0
fi
sh dev/need.sh test
. dev/apt.sh
mkdir -p /var/tmp/yagura-quiet
work=$(mktemp -d /var/tmp/yagura-quiet/run.XXXXXX)
root=$work/root
cgroups=/sys/fs/cgroup
[ -e $cgroups/cgroup.procs ] || cgroups=$cgroups/unified
cgroup=$cgroups/yagura-quiet/quiet-work.scope
finish() {
	[ -e "$cgroup/cgroup.kill" ] && echo 1 >"$cgroup/cgroup.kill"
	[ -n "${pid:-}" ] && kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
	sleep 1
	rmdir "$cgroup" "$(dirname "$cgroup")" 2>/dev/null || true
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
base=/var/tmp/yagura-quiet/bookworm.tar
if [ ! -e "$base" ]; then
	echo "quiet: a Debian bookworm, kept for the next time in $base"
	debootstrap --include=ca-certificates,cron,man-db,openssh-server,logrotate bookworm "$root" >"$work/debootstrap.log" 2>&1 || { tail -20 "$work/debootstrap.log"; exit 1; }
	tar -C "$root" --one-file-system -cf "$base.part" . && mv "$base.part" "$base"
else
	mkdir -p "$root"
	tar -C "$root" -xpf "$base"
fi
borrow_apt "$root"
for m in proc sys dev; do
	mount --rbind "/$m" "$root/$m"
	mount --make-rslave "$root/$m"
done
git clone -q . "$work/src"
cp dev/bench/quiet/servers.sh "$root/srv/servers.sh"
cp "${BIN:-bin}/yagura" "${BIN:-bin}/yagura-sensor" "$work/" # a build beside must not change what is measured

"$work/yagura" up --data "$work/data" --listen "${LISTEN:-127.0.0.1:0}" --sensor-listen "${SENSOR_LISTEN:-127.0.0.1:0}" --ready-file "$work/ready" >"$work/up.log" 2>&1 &
pid=$!
for _ in $(seq 300); do [ -s "$work/ready" ] && break; sleep 0.2; done
[ -s "$work/ready" ] || { cat "$work/up.log"; exit 1; }
sleep 5
begin=$SECONDS
mkdir -p "$cgroup"
setsid bash -c 'echo $$ >"$0/cgroup.procs" && exec bash "$@"' "$cgroup" dev/bench/quiet/honest.sh "$root" "$work/src" "$work/honest.log" "$minutes" &
while [ $((SECONDS - begin)) -lt $((minutes * 60)) ]; do
	sleep 60 &
	wait $!
	printf 'quiet: minute %d of %d\n' $(((SECONDS - begin) / 60)) "$minutes"
done
sleep 5
"$work/yagura" --data "$work/data" hosts
grep -c . "$work/honest.log" | sed 's/^/quiet: lines the work printed: /'
benign=${YAGURA_DATA:-../shared/data}/rule-events/benign.ndjson
if [ -e "$benign" ]; then
	"$work/yagura" --data "$work/data" replay --host benign-events --now "$benign" || true
	sleep 5
else
	echo "quiet: no $benign: set YAGURA_DATA to replay the benign events"
fi
[ -z "${KEEP_LOG:-}" ] || cp "$work/honest.log" "$KEEP_LOG"
"$work/quiet" "$work/yagura" "$work/data" "$(basename "$cgroup")"
