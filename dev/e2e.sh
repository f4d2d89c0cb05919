#!/usr/bin/env bash
# End to end on this machine's kernel: `yagura up`, the attack stories in the CLI and in Chromium, kills,
# bad input. The tests are Go (cmd/yagura/*_test.go); the browser part is web/e2e.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "e2e: the stories need root for the sensor: they will skip; run 'sudo make e2e' for all of it"
fi
bash dev/web.sh deps
go test -tags duckdb,duckdb_arrow -count=1 -timeout 40m -v -run 'Test' ./cmd/yagura 2>&1 | grep -vE '^(=== (RUN|PAUSE|CONT)|\s+.*: (DEBUG|INFO))'
exit "${PIPESTATUS[0]}"
