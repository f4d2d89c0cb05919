# What the lanes in qemu share; dev/lane.sh and dev/lane-hosts.sh source it. They set work, a folder of their own.
cache=$PWD/.tools/lane
# The mirror that this machine takes its own packages from, unless another is named.
mirror=${LANE_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v -e security -e '^cdrom' | grep 'debian/*$' | head -1)}
mirror=${mirror%/}
[ -n "$mirror" ] || { echo "lane: this machine has no Debian mirror: name one with LANE_MIRROR=URL" >&2; exit 2; }
mkdir -p "$cache"

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

# image DIR KERNEL MODULE...: writes the initramfs of one kernel, with these modules and what they need, to DIR.gz.
image() {
	local root=$1 kernel=$2 release program module
	shift 2
	release=$(cd "$kernel/boot" && ls vmlinuz-*)
	release=${release#vmlinuz-}
	cp -a "$work/base" "$root"
	depmod -b "$kernel" "$release" 2>/dev/null || true
	: >"$root/lane/modules"
	modprobe -d "$kernel" -S "$release" --show-depends -a "$@" 2>/dev/null | awk '$1 == "insmod" {print $2}' | while read -r module; do
		program=$(basename "$module" .xz)
		case $module in *.xz) xz -dc "$module" >"$root/lane/$program" ;; *) cp "$module" "$root/lane/$program" ;; esac
		grep -qx "$program" "$root/lane/modules" || echo "$program" >>"$root/lane/modules"
	done
	(cd "$root" && find . | cpio -o -H newc -R 0:0 2>/dev/null | gzip -1) >"$root.gz"
	rm -rf "$root"
}

# furnish PROGRAM...: makes $work/base, what every guest has: busybox, a shell and these programs with their libraries.
furnish() {
	local root=$work/base program lib
	mkdir -p "$root"/{lane,etc,dev,proc,sys,tmp,run,root,var,usr/bin,usr/lib,usr/lib64,usr/sbin}
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$root/$d"; done
	cp "$(command -v busybox)" "$root/lane/busybox"
	for program in sh bash cat true sleep ls ln mv rm cp chmod mkdir env echo dd ip "$@"; do
		program=$(type -P "$program") || continue
		cp -L "$program" "$root/usr/bin/$(basename "$program")"
		for lib in $(ldd "$program" 2>/dev/null | grep -oE '/[^ ]+'); do
			mkdir -p "$root/usr${lib%/*}" && cp -Ln "$lib" "$root/usr$lib" 2>/dev/null || true
		done
	done
	# Libraries were copied to /usr/usr/... where the machine's own paths begin with /usr.
	[ ! -d "$root/usr/usr" ] || { cp -an "$root/usr/usr/." "$root/usr/"; rm -rf "$root/usr/usr"; }
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
	printf 'root:*:20000:0:99999:7:::\n' >"$root/etc/shadow"
	chmod 600 "$root/etc/shadow"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
}
