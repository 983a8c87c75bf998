//go:build noconsole

package console

// newUI is the page of a server that was built without the console.
func newUI() (*ui, error) {
	return &ui{index: []byte("<!doctype html><title>Zensus</title><p>This server was built without its console.\n")}, nil
}
