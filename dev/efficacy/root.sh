#!/usr/bin/env bash
# root.sh FOLDER: the Debian 12 that the attacks run in, made once and kept: compilers, scanners, servers, people with
# keys, browser stores, cloud tokens and a history. Every test gets it as the lower layer of an overlay of its own, so
# nothing that is done in a test is ever seen here. Everything in it is made up. Needs root and the network.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$1
. "$here/../apt.sh"
made=$root/.made
want=$(cat "$0" "$here/packages.txt" "$here/people.sh" | sha256sum | cut -c1-16)
if [ "$(cat "$made" 2>/dev/null)" = "$want" ]; then exit 0; fi
command -v debootstrap >/dev/null 2>&1 || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap; }

finish() {
	for m in proc dev; do umount -l "$root/$m" 2>/dev/null || true; done
}
trap finish EXIT
if [ ! -e "$root/.base" ]; then
	if mountpoint -q "$root/proc" || mountpoint -q "$root/dev"; then echo "root: $root has mounts: not replacing it" >&2; exit 1; fi
	rm -rf --one-file-system "$root"
	mkdir -p "$root"
	echo "root: debootstrap bookworm into $root"
	debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >"$root.log" 2>&1 || { tail -20 "$root.log"; exit 1; }
	touch "$root/.base"
fi
borrow_apt "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
inside() { chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
echo "root: packages"
inside apt-get update -qq >"$root.log" 2>&1 || { tail -5 "$root.log"; exit 1; }
packages=$(sed 's/#.*//' "$here/packages.txt")
there=$(inside apt-cache --names-only search '' 2>/dev/null | cut -d' ' -f1 | sort -u)
have=$(comm -12 <(tr -s ' \n' '\n' <<<"$packages" | sort -u) <(printf '%s\n' "$there"))
comm -23 <(tr -s ' \n' '\n' <<<"$packages" | grep . | sort -u) <(printf '%s\n' "$there") | sed 's/^/root: not in this Debian: /'
# shellcheck disable=SC2086
inside apt-get install -y -qq --no-install-recommends $have >>"$root.log" 2>&1 || { tail -20 "$root.log"; exit 1; }
# The one packer there is comes from the backports, of the archive that bookworm itself comes from.
inside apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -1 |
	sed 's/.*/deb & bookworm-backports main/' >"$root/etc/apt/sources.list.d/backports.list"
{ inside apt-get update -qq && inside apt-get install -y -qq --no-install-recommends -t bookworm-backports upx-ucl; } >>"$root.log" 2>&1 || echo "root: no upx: packed programs are left out"
inside apt-get clean
echo "root: people"
inside sh -eu -s <"$here/people.sh" >>"$root.log" 2>&1 || { tail -20 "$root.log"; exit 1; }
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf" "$root"/etc/apt/auth.conf "$root"/etc/apt/auth.conf.d/* "$root"/etc/apt/sources.list.d/*
printf 'nameserver 9.9.9.9\n' >"$root/etc/resolv.conf"
printf 'deb http://debian.example.net/debian bookworm main\n' >"$root/etc/apt/sources.list"
printf '%s\n' "$want" >"$made"
