package ctl

import (
	"fmt"

	"github.com/spf13/cobra"
)

// Commands are the client commands, for the root command.
func Commands() []*cobra.Command {
	return []*cobra.Command{zkCommand(), userCommand(), clusterCommand(), dataCommand()}
}

// output is how results are written.
type output string

const (
	text   output = "text"
	asJSON output = "json"
)

// The three methods make it the value of a flag.

// Set accepts the two forms.
func (o *output) Set(s string) error {
	switch output(s) {
	case text, asJSON:
		*o = output(s)
		return nil
	}
	return fmt.Errorf("%q is neither text nor json", s)
}

func (o *output) String() string { return string(*o) }

// Type is what help shows.
func (o *output) Type() string { return "text|json" }
