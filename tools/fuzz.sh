#!/bin/sh
# Run every fuzz target of the product, each for the time given (default 60s).
# The targets are found by asking the test binaries, not listed by hand. With
# FUZZPART=n/m only every m-th of them is run, beginning with the n-th, each on one
# processor: so several runs side by side share the work.
set -eu
time=${1:-60s}
go=${GO:-go}
part=${FUZZPART:-1/1}
of=${part#*/}
part=${part%/*}
flags=
[ "$of" -eq 1 ] || flags="-parallel=1"
count=0
ran=0
for pkg in $($go list ./...); do
	for target in $($go test "$pkg" -list '^Fuzz' | grep '^Fuzz' || true); do
		count=$((count + 1))
		[ $((count % of)) -eq $((part % of)) ] || continue
		echo "== $pkg $target"
		$go test "$pkg" -run '^$' -fuzz "^$target\$" -fuzztime "$time" $flags
		ran=$((ran + 1))
	done
done
echo "$ran of $count targets, $time each"
[ "$ran" -gt 0 ]
