#!/bin/sh
# Run every fuzz target of the product, each for the time given (default 60s).
# The targets are found by asking the test binaries, not listed by hand. With
# FUZZPART=n/m only every m-th of them is run, beginning with the n-th, each on one
# processor: so several runs side by side share the work. With FUZZFROM=k the first
# k-1 of those are left out: to go on where a run was interrupted.
set -eu
time=${1:-60s}
go=${GO:-go}
part=${FUZZPART:-1/1}
of=${part#*/}
part=${part%/*}
from=${FUZZFROM:-1}
flags=
[ "$of" -eq 1 ] || flags="-parallel=1"
log=$(mktemp)
trap 'rm -f "$log" "$log.rc"' EXIT

# one PACKAGE TARGET runs a target. When the time is over in the middle of an input
# the go command may fail with "context deadline exceeded": that is the end of the
# time and no finding, for which it would name a file with the input.
one() {
	{
		rc=0
		$go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime "$time" $flags || rc=$?
		echo "$rc" >"$log.rc"
	} 2>&1 | tee "$log"
	[ "$(cat "$log.rc")" -ne 0 ] || return 0
	grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"
}

count=0
mine=0
ran=0
for pkg in $($go list ./...); do
	for target in $($go test "$pkg" -list '^Fuzz' | grep '^Fuzz' || true); do
		count=$((count + 1))
		[ $((count % of)) -eq $((part % of)) ] || continue
		mine=$((mine + 1))
		[ "$mine" -ge "$from" ] || continue
		echo "== $pkg $target"
		one "$pkg" "$target"
		ran=$((ran + 1))
	done
done
echo "$ran of $count targets, $time each"
[ "$ran" -gt 0 ]
