#!/usr/bin/env bash
# The second lane: the sensor on stock Debian kernels, in qemu without KVM, so that it also runs where there is none.
#   bash dev/lane.sh [--write] [--run=TESTS] [SUITE...]     SUITE: bookworm (6.1), bookworm-backports (6.12); both by default
# Kernels come from Debian's archive through apt into .tools/lane, checked with Debian's keys, and are unpacked there,
# never installed. Each boots into a small initramfs with the static sensor, the tests of its packages and dev/lane,
# which acts and looks for every act in `yagura-sensor watch`. Prints a table for each kernel; exit 0 when all hold,
# 1 when one does not, 2 when a kernel cannot be had or does not boot. Needs no root once its packages are installed.
# --run=TESTS runs nothing but the tests of that pattern, as go test does. --write puts what `yagura-sensor check` said on
# each kernel into docs/kernels.md. Times under qemu say nothing about cost.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
sh dev/need.sh go lane
write=
only=
suites=()
for word; do
	case $word in
	--write) write=1 ;;
	--run=*) only=${word#--run=} ;;
	-*) echo "lane: unknown option $word" >&2; exit 2 ;;
	*) suites+=("$word") ;;
	esac
done
[ -z "$write" ] || [ -z "$only" ] || { echo "lane: --run asks no kernel anything: nothing to write" >&2; exit 2; }
[ ${#suites[@]} -gt 0 ] || suites=(bookworm bookworm-backports)
if [ "$(uname -m)" != x86_64 ]; then
	echo "lane: skipped: the guests are amd64 and this machine is $(uname -m)"
	exit 0
fi
. dev/lane/lib.sh
work=$(mktemp -d /tmp/yagura-lane.XXXXXX)
pids=()
finish() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	rm -rf "$work"
}
trap finish EXIT

# base: what every guest has, and what happens in it.
base() {
	local root=$work/base program
	furnish nsenter base64 nice mkfifo tee seq touch truncate chroot unshare perl
	cat >"$root/init" <<'INIT'
#!/lane/busybox sh
bb=/lane/busybox
$bb mount -t proc proc /proc; $bb mount -t sysfs sys /sys; $bb mount -t devtmpfs dev /dev; $bb mount -t tmpfs tmp /tmp
$bb mkdir /dev/shm; $bb mount -t tmpfs shm /dev/shm; $bb ln -s /proc/self/fd /dev/fd
$bb mount -t bpf bpf /sys/fs/bpf; $bb mount -t cgroup2 cgroup /sys/fs/cgroup; $bb mount -t tmpfs run /run; $bb mount -t securityfs sec /sys/kernel/security
while read -r m; do $bb insmod /lane/$m; done </lane/modules
$bb ip link set lo up
export PATH=/usr/bin:/usr/sbin HOME=/root
cd /tmp && /lane/lane guest
$bb poweroff -f
INIT
	chmod +x "$root/init"
	CGO_ENABLED=0 go build -ldflags '-s -w' -o "$root/lane/yagura-sensor" ./cmd/yagura-sensor
	CGO_ENABLED=0 go build -ldflags '-s -w' -o "$root/lane/lane" ./dev/lane
	for program in linux/probe linux/sight linux/contain; do
		CGO_ENABLED=0 go test -c -ldflags '-s -w' -o "$root/lane/${program##*/}.test" "./internal/sensor/$program"
	done
	[ -z "$only" ] || echo "$only" >"$root/lane/run"
}

echo "lane: building the sensor and its tests"
base
failed=0
results=()
for suite in "${suites[@]}"; do
	dir=$(kernel "$suite") || exit 2
	image "$work/$suite" "$dir" veth nf_tables overlay fuse
	boot=$(ls "$dir"/boot/vmlinuz-*)
	echo "lane: $suite: booting ${boot##*/vmlinuz-}"
	# cx16 off: qemu 7.2 mixes up the flags of cmpxchg16b, and 6.12 dies of it in its allocator.
	# One CPU: with two, a guest of 6.12 once died of an int3 in kernel code that its other CPU was patching, as it does for
	# every tracepoint that is switched on or off. qemu emulates that loosely; with one CPU nobody is there to trip.
	timeout 2400 qemu-system-x86_64 -accel tcg -cpu max,cx16=off -m 1024 -smp 1 -display none -nic none -no-reboot -serial "file:$work/$suite.log" \
		-kernel "$boot" -initrd "$work/$suite.gz" -append "console=ttyS0 panic=-1 quiet" </dev/null &
	pids+=($!)
	begin=$SECONDS
	wait $! || true
	pids=()
	tr -d '\r' <"$work/$suite.log" | sed -n 's/^.*lane| //p' >"$work/$suite.txt"
	grep -v '^json ' "$work/$suite.txt" || true
	[ -n "$only" ] || sed -n 's/^json //p' "$work/$suite.txt" >"$cache/check-$suite.json"
	results+=("$cache/check-$suite.json")
	if ! grep -q '^end ' "$work/$suite.txt"; then
		tail -30 "$work/$suite.log"
		echo "lane: $suite: the guest did not come to its end" >&2
		exit 2
	fi
	grep -q '^end 0$' "$work/$suite.txt" || failed=1
	echo "lane: $suite: took $((SECONDS - begin)) s"
done
if [ -n "$write" ]; then
	go run ./dev/lane table docs/kernels.md "${results[@]}"
fi
exit $failed
