package core

import (
	"context"
	"errors"
)

// Ensure sees to it that there is a znode at path, with persistent parents: what is
// missing is created without data, what is there stays. It returns what Client.Create
// does, but for NodeExists and NoNode.
func Ensure(ctx context.Context, client Client, path string) error {
	_, _, err := client.Create(ctx, path, nil, CreateOptions{})
	if errors.Is(err, NoNode) && ParentPath(path) != "" {
		if err := Ensure(ctx, client, ParentPath(path)); err != nil {
			return err
		}
		_, _, err = client.Create(ctx, path, nil, CreateOptions{})
	}
	if errors.Is(err, NodeExists) {
		return nil
	}
	return err
}
