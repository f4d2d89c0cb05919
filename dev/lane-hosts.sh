#!/usr/bin/env bash
# Two hosts: guests in qemu without KVM, each with a stock Debian kernel, a disk and a sensor of its own, enrolled at a server on this
# machine and joined by a network of their own. A hole in a web application of ga is used; the attack goes on to gb by ssh and
# comes back as a shell.
#   bash dev/lane-hosts.sh [--orders N] [SUITE]     SUITE: bookworm (6.1, the default), bookworm-backports (6.12); N orders to ga, 100
# Then the command line is asked: stored times in the order of boot_ns (pairs are counted), one incident over both hosts with an edge from
# host to host and its way in on ga, orders (isolate, release while ga's clock goes from -3 s to +3 s, then at +11 min, +2 h and -3 h; kill): none may be refused.
# Prints a row for each; exit 0 when all hold, 1 when one does not, 2 when the guests cannot be had. Needs no root, bin/yagura
# (make build), and about 2 GB. LANE_KEEP=1 keeps the logs. Times under qemu say nothing about cost.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
sh dev/need.sh go lane lane-hosts
orders=100
suite=bookworm
while [ $# -gt 0 ]; do
	case $1 in
	--orders) orders=$2; shift ;;
	-*) echo "lane-hosts: unknown option $1" >&2; exit 2 ;;
	*) suite=$1 ;;
	esac
	shift
done
if [ "$(uname -m)" != x86_64 ]; then
	echo "lane-hosts: skipped: the guests are amd64 and this machine is $(uname -m)"
	exit 0
fi
[ -x bin/yagura ] || { echo "lane-hosts: bin/yagura is not built: make build" >&2; exit 2; }
. dev/lane/lib.sh
work=$(mktemp -d /tmp/yagura-hosts.XXXXXX)
finish() {
	[ -n "${LANE_KEEP:-}" ] && echo "lane-hosts: logs stay in $work" || rm -rf "$work"
}
trap finish EXIT

furnish curl ssh sshd nohup
root=$work/base
# sshd starts itself anew by its own path.
mkdir -p "$root/usr/sbin" "$root/run/sshd" "$root/home/app/.ssh" "$root/data" "$root/dev/pts" "$root/var/empty"
mv "$root/usr/bin/sshd" "$root/usr/sbin/sshd"
cp "$root/lane/busybox" "$root/usr/bin/busybox"
for applet in nc id hostname tr; do ln -sf busybox "$root/usr/bin/$applet"; done
printf 'sshd:x:106:65534::/run/sshd:/bin/false\napp:x:1000:1000:app:/home/app:/bin/bash\n' >>"$root/etc/passwd"
printf 'app:x:1000:\n' >>"$root/etc/group"
cat >"$root/etc/sshd_config" <<'CONF'
HostKey /data/host_key
UsePAM no
StrictModes no
PermitRootLogin no
AuthorizedKeysFile /data/id.pub
CONF
cat >"$root/init" <<'INIT'
#!/lane/busybox sh
bb=/lane/busybox
$bb mount -t proc proc /proc; $bb mount -t sysfs sys /sys; $bb mount -t devtmpfs dev /dev; $bb mount -t tmpfs tmp /tmp; $bb mkdir -p /dev/pts; $bb mount -t devpts pts /dev/pts
$bb mount -t bpf bpf /sys/fs/bpf; $bb mount -t cgroup2 cgroup /sys/fs/cgroup; $bb mount -t tmpfs run /run; $bb mount -t securityfs sec /sys/kernel/security
while read -r m; do $bb insmod /lane/$m; done </lane/modules
$bb chmod 1777 /tmp; $bb mkdir -p /run/sshd
$bb mount -t ext4 /dev/vda /data
$bb hostname "$($bb cat /data/name)"; $bb cp /data/machine-id /etc/machine-id
$bb chown -R 0:0 /data; $bb chmod 644 /data/id.pub; $bb chmod 755 /data
$bb cp /data/id /home/app/.ssh/id; $bb chown -R 1000:1000 /home/app; $bb chmod 700 /home/app/.ssh
$bb ip link set lo up
$bb ip addr add 10.0.2.15/24 dev eth0; $bb ip link set eth0 up
$bb ip addr add "$($bb cat /data/address)/24" dev eth1; $bb ip link set eth1 up
export PATH=/usr/bin:/usr/sbin HOME=/root
cd /
/lane/yagura-sensor run --data /data/sensor --token-file /data/token &
/usr/sbin/sshd -f /etc/sshd_config
$bb setsid /lane/lane web 8080 1000 &
$bb setsid /lane/lane web 8081 0 &
while :; do $bb sleep 3600; done
INIT
chmod +x "$root/init"
CGO_ENABLED=0 go build -ldflags '-s -w' -o "$root/lane/yagura-sensor" ./cmd/yagura-sensor
CGO_ENABLED=0 go build -ldflags '-s -w' -o "$root/lane/lane" ./dev/lane
mkdir -m 700 "$work/keys"
ssh-keygen -q -t ed25519 -N '' -C app -f "$work/keys/id"
ssh-keygen -q -t ed25519 -N '' -C host -f "$work/keys/host_key"

dir=$(kernel "$suite") || exit 2
image "$work/hosts" "$dir" veth nf_tables overlay virtio_pci virtio_blk virtio_net ext4
boot=$(ls "$dir"/boot/vmlinuz-*)
echo "lane-hosts: booting two guests of ${boot##*/vmlinuz-}"
begin=$SECONDS
failed=0
"$root/lane/lane" hosts -yagura bin/yagura -kernel "$boot" -initrd "$work/hosts.gz" -work "$work" -orders "$orders" | sed 's/^lane| //' || failed=1
if [ $failed = 1 ]; then
	for g in ga gb server; do [ -e "$work/$g.log" ] && echo "lane-hosts: end of $g.log:" && tail -15 "$work/$g.log"; done
fi
echo "lane-hosts: took $((SECONDS - begin)) s"
exit $failed
