#!/bin/sh
# Runs suites as a CI job: cache in, suites, once more if only the lab broke, cache out.
# The exit code is that of pytest, see docs/ci.md.
#
# SUITES          what to run
# TOPOLOGY        the lab to run it in
# LAB_CACHE_DIR   the folder that the CI keeps from job to job
# LAB_CACHE_KEY   see cache-key.sh; the cache is exported anew when it has changed
# LAB_BIN         the folder with `lab` and `pytest`
set -eu

SUITES=${SUITES:-suites/smoke suites/network suites/autonomy}
TOPOLOGY=${TOPOLOGY:-labs/default.yaml}
LAB_CACHE_DIR=${LAB_CACHE_DIR:-edge-lab-cache}
LAB_CACHE_KEY=${LAB_CACHE_KEY:-}
LAB_BIN=${LAB_BIN:-.venv/bin}
RESULTS=build/allure-results
LAB_BROKE=10 # the one exit code that says nothing about the product

archive=$LAB_CACHE_DIR/cache.tar
if [ -f "$archive" ]; then
	# A damaged one adds nothing: the lab then builds what it needs.
	"$LAB_BIN/lab" cache import "$archive" || rm -f "$archive" "$LAB_CACHE_DIR/key"
fi

attempt() {
	rm -rf "$RESULTS"
	mkdir -p build
	# shellcheck disable=SC2086  # the list is to be split
	"$LAB_BIN/pytest" $SUITES --lab-topology="$TOPOLOGY" --alluredir="$RESULTS" \
		--junitxml=build/junit.xml --lab-summary=build/summary.md
}

code=0
attempt || code=$?
if [ "$code" -eq "$LAB_BROKE" ]; then
	echo "The lab broke, and no test failed: the suites are run once more." >&2
	mkdir -p build/first-attempt
	mv "$RESULTS" build/junit.xml build/summary.md build/first-attempt/ 2>/dev/null || true
	"$LAB_BIN/lab" down || true
	code=0
	attempt || code=$?
fi

if [ ! -f "$archive" ] || [ "$(cat "$LAB_CACHE_DIR/key" 2>/dev/null)" != "$LAB_CACHE_KEY" ]; then
	mkdir -p "$LAB_CACHE_DIR"
	# Neither may change the verdict on the suites.
	"$LAB_BIN/lab" cache prune --older-than 14d || true
	if "$LAB_BIN/lab" cache export --checkpoints "$archive"; then
		printf '%s\n' "$LAB_CACHE_KEY" >"$LAB_CACHE_DIR/key"
	fi
fi
exit "$code"
