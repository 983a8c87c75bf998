package settings

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Resolved are the values that follow from others where a setting leaves them
// open, as lines of "key: value".
func (s *Settings) Resolved() []string {
	var out []string
	add := func(key string, value any) { out = append(out, key+": "+yamlOf(value)) }
	if s.SecretFile == "" {
		add("secret_file", filepath.Join(s.DataDir, "secret"))
	}
	if grpc, err := s.GRPCAddress(); err == nil && s.Listen.GRPC == "" {
		add("listen.grpc", cmp.Or(grpc, Off))
	}
	if s.Auth.Enabled == AuthAuto {
		add("auth.enabled", s.AuthEnabled())
	}
	if s.Engine.Servers() != nil {
		return append(out, "listen.zookeeper: "+yamlOf(Off))
	}
	least, most := s.Engine.SessionTimeouts()
	if s.Engine.MinSessionTimeout == 0 {
		add("engine.min_session_timeout", least)
	}
	if s.Engine.MaxSessionTimeout == 0 {
		add("engine.max_session_timeout", most)
	}
	return out
}

// Print writes the settings that hold as YAML that could be read back.
func (s *Settings) Print(w io.Writer) error {
	var b strings.Builder
	var sections []string // that the line before was in
	err := eachKey("", reflect.ValueOf(*s), func(key string, value any) {
		words := strings.Split(key, ".")
		within := words[:len(words)-1]
		for i, section := range within {
			if i >= len(sections) || !slices.Equal(sections[:i+1], within[:i+1]) {
				fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", i), section)
			}
		}
		sections = within
		fmt.Fprintf(&b, "%s%s: %s\n", strings.Repeat("  ", len(within)), words[len(within)], yamlOf(value))
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func yamlOf(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case []string:
		quoted := make([]string, len(v))
		for i, item := range v {
			quoted[i] = fmt.Sprintf("%q", item)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprint(value)
}
