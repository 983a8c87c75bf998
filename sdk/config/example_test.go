package config_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/config"
)

// A program follows its configuration, and changes it without overwriting what
// somebody else did meanwhile.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := sdk.Dial(ctx, []string{"127.0.0.1:8848"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	configs := config.New(client)
	key := config.Key{DataID: "shop.yaml"}
	for item, err := range configs.Subscribe(ctx, key) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.Exists, item.Content)
		err = configs.Publish(ctx, key, item.Content+"\nseen: true", config.IfMD5(item.MD5), config.Type("yaml"))
		if errors.Is(err, config.ErrCASMismatch) {
			continue // the next item is on its way
		}
		break
	}
}
