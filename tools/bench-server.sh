# One server of an ensemble for zensus bench zk --start-each:
#
#   sh tools/bench-server.sh PORT COMMAND...
#
# writes a zoo.cfg for server $BENCH_SERVER and runs COMMAND with it as the last
# argument. The client port of server N is PORT+N; those between the servers are 100
# and 200 above.
set -eu
port=$1
shift
dir=$BENCH_DIR/$BENCH_SERVER
mkdir -p "$dir"
echo "$BENCH_SERVER" > "$dir/myid"
{
	printf '%s\n' tickTime=2000 initLimit=30 syncLimit=5 "dataDir=$dir" clientPortAddress=127.0.0.1 \
		"clientPort=$((port + BENCH_SERVER))" maxClientCnxns=0 admin.enableServer=false '4lw.commands.whitelist=*'
	[ "$BENCH_SERVER" -le "$BENCH_VOTERS" ] || echo peerType=observer
	n=1
	while [ "$n" -le $((BENCH_VOTERS + BENCH_OBSERVERS)) ]; do
		role=participant
		[ "$n" -le "$BENCH_VOTERS" ] || role=observer
		echo "server.$n=127.0.0.1:$((port + 100 + n)):$((port + 200 + n)):$role"
		n=$((n + 1))
	done
} > "$dir.cfg"
exec "$@" "$dir.cfg"
