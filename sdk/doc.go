// Package sdk is the client of Zensus for Go programs. It speaks the gRPC
// protocol of Nacos, so it works with a stock Nacos server too.
//
//	client, err := sdk.Dial(ctx, []string{"10.0.0.1", "10.0.0.2:8848"})
//	defer client.Close()
//
//	names := naming.New(client)
//	err = names.Register(ctx, naming.Service{Name: "orders"}, naming.Instance{IP: ip, Port: 8080})
//	for snapshot, err := range names.Subscribe(ctx, naming.Service{Name: "users"}) { ... }
//
//	configs := config.New(client)
//	for item, err := range configs.Subscribe(ctx, config.Key{DataID: "app.yaml"}) { ... }
//
// What a program wants (to be registered, to be told) is kept in one table and
// made true on whatever server there is: after a reconnect everything is said
// again, and what fails is tried again until the server agrees. A subscriber that
// reads slowly gets one step from what it saw last to what is true now, never a
// queue of old states.
//
// Every call that waits takes a context. There is no global state, nothing is
// written to disk, and nothing is logged unless a slog.Logger is given. Close
// withdraws what was registered and returns when every goroutine has ended.
//
// Errors tell three cases apart: an *Error is a refusal, nothing was done;
// ErrUnknownOutcome means that it may have been done; ErrClosed comes after Close.
package sdk
