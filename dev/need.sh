#!/bin/sh
# need.sh WORD...: makes sure that what a target needs is on this machine, and installs it with apt-get
# when it is not (as root, or through sudo). Words: go, gcc, g++, test, ci, generate, lane, lane-hosts.
set -eu
say() { echo "need: $*" >&2; }

packages=
want() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }

for word; do
	case $word in
	go)
		if ! command -v go >/dev/null 2>&1; then
			say "Go is missing: install Go 1.26 or newer (https://go.dev/dl) and put it on PATH"
			exit 2
		fi
		minor=$(go env GOVERSION | sed -E 's/^go1\.([0-9]+).*/\1/')
		if [ "$minor" -lt 26 ]; then
			if [ "$minor" -lt 21 ] || [ "$(go env GOTOOLCHAIN)" = local ]; then
				say "Go $(go env GOVERSION) is too old: install Go 1.26 or newer (https://go.dev/dl)"
				exit 2
			fi
		fi
		;;
	gcc) want gcc gcc; [ -e /usr/include/stdlib.h ] || packages="$packages libc6-dev" ;;
	g++) want g++ g++ ;;
	test)
		want chromium chromium
		want nft nftables
		want ip iproute2
		want python3 python3
		want cron cron
		want perl perl-base
		want busybox busybox-static
		want curl curl
		want node nodejs
		want npm npm
		want git git
		want mkfs.ext4 e2fsprogs
		want debootstrap debootstrap
		[ -e /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc ] || packages="$packages fonts-noto-cjk"
		[ -e /etc/ssl/certs/ca-certificates.crt ] || packages="$packages ca-certificates"
		;;
	ci) # what only a throw-away machine should get: it brings a service
		[ -x /usr/sbin/sshd ] || packages="$packages openssh-server"
		;;
	generate)
		want protoc protobuf-compiler
		if apt-cache show clang-14 >/dev/null 2>&1; then
			want clang-14 clang-14
			want llvm-strip-14 llvm-14
		fi
		[ -e /usr/include/bpf/bpf_helpers.h ] || packages="$packages libbpf-dev"
		;;
	lane)
		want qemu-system-x86_64 qemu-system-x86
		want busybox busybox-static
		want cpio cpio
		want depmod kmod
		want xz xz-utils
		want dpkg-deb dpkg
		want ip iproute2
		[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || packages="$packages debian-archive-keyring"
		;;
	lane-hosts)
		want ssh-keygen openssh-client
		want sshd openssh-server
		want curl curl
		want mkfs.ext4 e2fsprogs
		;;
	*) say "unknown word $word"; exit 2 ;;
	esac
done
[ -n "$packages" ] || exit 0


packages=$(printf '%s\n' $packages | sort -u | tr '\n' ' ')
if ! command -v apt-get >/dev/null 2>&1; then
	say "please install:$packages"
	exit 2
fi
root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		say "please run as root: apt-get install$packages"
		exit 2
	fi
	root=sudo
fi
say "installing $packages"
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq || say "apt-get update had errors; trying the install all the same"
$root apt-get install -y -qq --no-install-recommends $packages
