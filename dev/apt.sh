# How a throw-away Debian gets its packages; dev/bench/quiet.sh and dev/efficacy/root.sh source it.

# borrow_apt ROOT: the root reaches its packages the way this machine does, and starts no service.
borrow_apt() {
	cp -L --remove-destination /etc/resolv.conf "$1/etc/resolv.conf"
	cp -L --remove-destination /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
	cp -n /etc/apt/apt.conf.d/* "$1/etc/apt/apt.conf.d/"
	rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/apt.conf.d/docker-*
	cp /etc/apt/sources.list "$1/etc/apt/" 2>/dev/null || true
	cp /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources "$1/etc/apt/sources.list.d/" 2>/dev/null || true
	mkdir -p "$1/usr/share/keyrings"
	cp -n /usr/share/keyrings/*.gpg "$1/usr/share/keyrings/" 2>/dev/null || true
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod +x "$1/usr/sbin/policy-rc.d"
}
