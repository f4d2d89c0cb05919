#!/usr/bin/env bash
# Load for half an hour (YAGURA_SOAK=5m for less) with kill -9 of server, sensor or both at random; memory within
# its bounds; in the end produced = stored + dropped for every stream and lane. The test is cmd/yagura/soak_test.go.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "soak: needs root for the sensor: run 'sudo make soak'" >&2
	exit 1
fi
export YAGURA_SOAK=${YAGURA_SOAK:-30m}
exec go test -tags duckdb,duckdb_arrow -count=1 -timeout 24h -v -run '^TestSoak$' ./cmd/yagura
