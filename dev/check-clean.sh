#!/usr/bin/env bash
# Regenerates everything and fails when the tree then differs from what is committed. Checks that this
# machine cannot make (BPF objects need clang 14) say that they were skipped.
set -euo pipefail
before=$(git status --porcelain | sha256sum)
diff_before=$(git diff | sha256sum)
bash dev/web.sh deps
bash dev/generate.sh
bash dev/web.sh build
if [ "$before" != "$(git status --porcelain | sha256sum)" ] || [ "$diff_before" != "$(git diff | sha256sum)" ]; then
	git status --short
	git diff --stat
	echo "check-clean: generated files are not current: run 'make generate' and commit the result" >&2
	exit 1
fi
echo "check-clean: generated files are current"
