#!/usr/bin/env bash
# honest.sh ROOT SRC LOG MINUTES: the work that dev/bench/quiet.sh watches.
root=$1 src=$2 log=$3 minutes=$4
step() { echo "quiet: $* ($(date -u +%T))"; }
try() { "$@" >>"$log" 2>&1 || echo "quiet: failed: $* (see its log)"; }
# As a host of its own: its root is the root, its processes are all there are. $apart says what else is its own.
own() {
	unshare --mount --pid --uts --fork "${apart[@]}" sh -c 'root=$0 && mount --make-rprivate / && mount --rbind "$root" "$root" && cd "$root" && mkdir -p .machine && pivot_root . .machine &&
		mount -t proc proc /proc && umount -l /.machine && exec chroot . /usr/bin/env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' "$root" "$@"
}
apart=()
# As one more root of this host: how images and build roots are made.
inside() { chroot "$root" env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
step apt-get update
try own apt-get update
if [ "$minutes" -gt 30 ]; then
	step apt-get upgrade
	try inside apt-get -y upgrade
	step every package again
	# shellcheck disable=SC2016
	try inside sh -c 'apt-get -y --reinstall install $(dpkg-query -f "\${Package} " -W)'
fi
step package installs
try own apt-get -y --no-install-recommends install nginx-light php-fpm php-cli imagemagick rsync git curl zip borgbackup
try own apt-get -y --no-install-recommends install postgresql mariadb-server ansible-core gnupg gcc libc6-dev make openssh-client
step go build, cold
(cd "$src" && GOCACHE=$src/.cache GOFLAGS=-mod=readonly try timeout $((minutes * 15)) go build -p 1 ./internal/... ./cmd/yagura-sensor)
if [ "$minutes" -gt 30 ]; then
	step npm
	(cd "$src/web" && { npm ci >>"$log" 2>&1 || npm install --no-save >>"$log" 2>&1 || echo "quiet: npm failed, see its log"; })
fi
while :; do
	step servers
	apart=(--net) # the servers reach one another and nothing else
	try own bash /srv/servers.sh
	apart=()
	step a package less and again, here and in a chroot
	try own apt-get -y --purge remove zip
	try own apt-get -y install zip
	try inside apt-get -y --purge remove curl
	try inside apt-get -y install curl
done
