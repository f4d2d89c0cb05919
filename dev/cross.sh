#!/bin/sh
# cross.sh [ARCH…]: builds the CLI without cgo for every platform a second operator may sit at, and vets the half of the sensor that
# any system shares, its tests too, for the systems that have no sensor yet. What stands beside internal/sensor/linux is shared.
set -eu
[ $# -gt 0 ] || set -- amd64 arm64
for os in linux darwin windows; do
	for arch; do
		ext=
		[ $os = windows ] && ext=.exe
		echo "yagura for $os/$arch"
		CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -o bin/cross/yagura-$os-$arch$ext ./cmd/yagura
	done
done
shared=$(go list ./internal/sensor/... | grep -v -e /internal/sensor/linux/)
for os in darwin windows; do
	for arch; do
		echo "the sensor's shared half for $os/$arch"
		# The list is split into its packages.
		# shellcheck disable=SC2086
		CGO_ENABLED=0 GOOS=$os GOARCH=$arch go vet $shared
	done
done
