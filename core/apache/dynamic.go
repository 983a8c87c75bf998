package apache

import (
	"fmt"
	"strings"

	"github.com/zensus-io/zensus/core"
)

// FormatDynamic is the members and their version as the data of
// /zookeeper/config and a dynamic file show them, without a newline at the end.
// ReadDynamic reads it.
func FormatDynamic(servers []Server, version core.Zxid) string {
	var text strings.Builder
	for _, s := range servers {
		fmt.Fprintln(&text, s)
	}
	fmt.Fprintf(&text, "version=%x", uint64(version))
	return text.String()
}
