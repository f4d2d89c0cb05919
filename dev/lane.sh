#!/usr/bin/env bash
# The second lane: the sensor on stock Debian kernels, in qemu without KVM, so that it also runs where there is none.
#   bash dev/lane.sh [--write] [SUITE...]     SUITE: bookworm (6.1), bookworm-backports (6.12); both by default
# Kernels come from Debian's archive through apt into .tools/lane, checked with Debian's keys, and are unpacked there,
# never installed. Each boots into a small initramfs with the static sensor, the tests of its packages and dev/lane,
# which acts and looks for every act in `yagura-sensor watch`. Prints a table for each kernel; exit 0 when all hold,
# 1 when one does not, 2 when a kernel cannot be had or does not boot. Needs no root once its packages are installed.
# --write puts what `yagura-sensor check` said on each kernel into docs/kernels.md. Times under qemu say nothing about
# cost.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
sh dev/need.sh go lane
write=
suites=()
for word; do
	case $word in
	--write) write=1 ;;
	-*) echo "lane: unknown option $word" >&2; exit 2 ;;
	*) suites+=("$word") ;;
	esac
done
[ ${#suites[@]} -gt 0 ] || suites=(bookworm bookworm-backports)
if [ "$(uname -m)" != x86_64 ]; then
	echo "lane: skipped: the guests are amd64 and this machine is $(uname -m)"
	exit 0
fi
cache=$PWD/.tools/lane
# The mirror that this machine takes its own packages from, unless another is named.
mirror=${LANE_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v -e security -e '^cdrom' | grep 'debian/*$' | head -1)}
mirror=${mirror%/}
[ -n "$mirror" ] || { echo "lane: this machine has no Debian mirror: name one with LANE_MIRROR=URL" >&2; exit 2; }
mkdir -p "$cache"
work=$(mktemp -d /tmp/yagura-lane.XXXXXX)
pids=()
finish() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	rm -rf "$work"
}
trap finish EXIT

# kernel SUITE: leaves the newest cloud kernel of the suite unpacked in the cache and prints its folder.
kernel() {
	local dir=$cache/$1 apt name
	mkdir -p "$dir"/{lists/partial,archives/partial}
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$dir/sources.list"
	case $1 in *-backports) ;; *) echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror}-security $1-security main" >>"$dir/sources.list" ;; esac
	# Folders of its own: the machine's package lists and its apt hooks stay as they are.
	apt=(-o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir" -o Dir::State::status=/dev/null -o Dir::Etc::SourceList="$dir/sources.list"
		-o Dir::Etc::SourceParts=/dev/null -o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)" -o APT::Update::Post-Invoke-Success::= -qq)
	apt-get "${apt[@]}" update >&2 || echo "lane: $1: no new package lists, taking what is cached" >&2
	name=$(apt-cache "${apt[@]}" depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ {print $2; exit}')
	if [ -n "$name" ] && [ ! -e "$dir/$name/boot" ]; then
		rm -rf "$dir/new" && mkdir "$dir/new"
		(cd "$dir/new" && apt-get "${apt[@]}" download "$name" >&2 && dpkg-deb -x ./*.deb . && rm ./*.deb)
		mv "$dir/new" "$dir/$name"
	fi
	[ -n "$name" ] || name=$(cd "$dir" && ls -d linux-image-* 2>/dev/null | tail -1)
	[ -e "$dir/$name/boot" ] || { echo "lane: $1: no kernel: is $mirror reachable? (LANE_MIRROR names another)" >&2; return 1; }
	echo "$dir/$name"
}

# image DIR KERNEL: writes the initramfs of one kernel to DIR.gz.
image() {
	local root=$1 kernel=$2 release program module
	release=$(cd "$kernel/boot" && ls vmlinuz-*)
	release=${release#vmlinuz-}
	cp -a "$work/base" "$root"
	depmod -b "$kernel" "$release" 2>/dev/null || true
	: >"$root/lane/modules"
	modprobe -d "$kernel" -S "$release" --show-depends -a veth nf_tables overlay 2>/dev/null | awk '$1 == "insmod" {print $2}' | while read -r module; do
		program=$(basename "$module" .xz)
		case $module in *.xz) xz -dc "$module" >"$root/lane/$program" ;; *) cp "$module" "$root/lane/$program" ;; esac
		grep -qx "$program" "$root/lane/modules" || echo "$program" >>"$root/lane/modules"
	done
	(cd "$root" && find . | cpio -o -H newc -R 0:0 2>/dev/null | gzip -1) >"$root.gz"
	rm -rf "$root"
}

# base: what every guest has: a shell and the few programs that the tests start, with their libraries.
base() {
	local root=$work/base program lib
	mkdir -p "$root"/{lane,etc,dev,proc,sys,tmp,run,root,var,usr/bin,usr/lib,usr/lib64,usr/sbin}
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$root/$d"; done
	cp "$(command -v busybox)" "$root/lane/busybox"
	for program in sh bash cat true sleep ls ln mv rm cp chmod mkdir env echo dd ip nsenter base64 nice mkfifo tee seq touch truncate; do
		program=$(type -P "$program") || continue
		cp -L "$program" "$root/usr/bin/$(basename "$program")"
		for lib in $(ldd "$program" 2>/dev/null | grep -oE '/[^ ]+'); do
			mkdir -p "$root/usr${lib%/*}" && cp -Ln "$lib" "$root/usr$lib" 2>/dev/null || true
		done
	done
	# Libraries were copied to /usr/usr/... where the machine's own paths begin with /usr.
	[ ! -d "$root/usr/usr" ] || { cp -an "$root/usr/usr/." "$root/usr/"; rm -rf "$root/usr/usr"; }
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	cat >"$root/init" <<'INIT'
#!/lane/busybox sh
bb=/lane/busybox
$bb mount -t proc proc /proc; $bb mount -t sysfs sys /sys; $bb mount -t devtmpfs dev /dev; $bb mount -t tmpfs tmp /tmp
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
	for program in probe sight contain; do
		CGO_ENABLED=0 go test -c -ldflags '-s -w' -o "$root/lane/$program.test" "./internal/sensor/$program"
	done
}

echo "lane: building the sensor and its tests"
base
failed=0
results=()
for suite in "${suites[@]}"; do
	dir=$(kernel "$suite") || exit 2
	image "$work/$suite" "$dir"
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
	sed -n 's/^json //p' "$work/$suite.txt" >"$cache/check-$suite.json"
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
