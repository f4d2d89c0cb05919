#!/bin/sh
# cross.sh [ARCH…]: builds the CLI without cgo for every platform a second operator may sit at.
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
