#!/bin/sh
# Run every fuzz target of the product, each for the time given (default 60s).
# The targets are found by asking the test binaries, not listed by hand.
set -eu
time=${1:-60s}
go=${GO:-go}
count=0
for pkg in $($go list ./...); do
	for target in $($go test "$pkg" -list '^Fuzz' | grep '^Fuzz' || true); do
		echo "== $pkg $target"
		$go test "$pkg" -run '^$' -fuzz "^$target\$" -fuzztime "$time"
		count=$((count + 1))
	done
done
echo "$count targets, $time each"
[ "$count" -gt 0 ]
