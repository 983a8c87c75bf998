package naming_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/naming"
)

// A program registers itself and follows a service that it calls.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := sdk.Dial(ctx, []string{"127.0.0.1:8848"}, sdk.AppName("shop"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	names := naming.New(client)
	me := naming.Instance{IP: "10.0.0.7", Port: 8080, Metadata: map[string]string{"zone": "a"}}
	if err := names.Register(ctx, naming.Service{Name: "shop"}, me); err != nil {
		log.Fatal(err)
	}
	for s, err := range names.Subscribe(ctx, naming.Service{Name: "stock"}) {
		if err != nil {
			log.Fatal(err)
		}
		for _, i := range s.Added {
			fmt.Println("new:", i.Address())
		}
		for _, i := range s.Removed {
			fmt.Println("gone:", i.Address())
		}
	}
}
