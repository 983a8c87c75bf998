// Package conformance asks Zensus and Nacos the same questions and compares the answers.
//
// The scripts in cases/ are requests, over HTTP and gRPC. What Nacos 2.5.1 answered to those
// of its v1 and v2 interfaces, and Nacos 3.0.3 to those of v3 and of gRPC, is kept in
// recorded/, with what differs from run to run masked, by the type of its JSON; so a test needs
// no Nacos. Where Zensus answers otherwise, differs.txt says why, and its own answer is kept
// beside theirs. It runs with configs.validate: warn, since Nacos takes contents that are not
// what their type says.
//
// endpoints.txt lists what the two Nacos releases offer, and docs/protocol/nacos.md has a
// table, made by TestTheTable, of what became of each: tested here, or left out and why.
//
// To record the answers of a Nacos server that was just started on an empty directory, and
// shows Prometheus its instances (nacos.prometheus.metrics.enabled=true):
//
//	go test ./conformance -record 2.5.1 -http http://127.0.0.1:8848 -grpc 127.0.0.1:9848
//
// and with -update, what Zensus answers where it differs, and the table, are written.
package conformance
