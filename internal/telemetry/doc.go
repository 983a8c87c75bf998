// Package telemetry makes the roots of logging and metrics: one hclog logger and
// one Prometheus registry for the process.
//
// Log lines go to standard error, as text on a terminal and as JSON otherwise.
// They pass through a Writer that never blocks whoever logs, since loggers are
// called from the loops that drive the protocol: what a slow reader does not
// take in time is dropped, counted, and told of in a line of its own.
//
// The server's shells log through hclog; what the SDK compiles in takes a
// slog.Logger, which Slog makes of an hclog one. Only cmd/zensus calls New; every
// other package is handed a logger and a Registerer.
package telemetry
