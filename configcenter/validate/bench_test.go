package validate

import (
	"fmt"
	"strings"
	"testing"
)

// sample is a content of about n bytes.
func sample(typ string, n int) string {
	var b strings.Builder
	switch typ {
	case "json":
		b.WriteString("{")
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "\"service%d\": {\"port\": %d, \"hosts\": [\"a.example\", \"b.example\"], \"timeout\": 1.5},\n", i, i)
		}
		b.WriteString("\"last\": null}")
	case "yaml":
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "service%d:\n  port: %d\n  hosts:\n    - a.example\n    - b.example\n  timeout: 1.5\n", i, i)
		}
	case "toml":
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "[service%d]\nport = %d\nhosts = [\"a.example\", \"b.example\"]\ntimeout = 1.5\n", i, i)
		}
	case "xml":
		b.WriteString("<services>")
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "<service name=\"service%d\"><port>%d</port><host>a.example</host></service>\n", i, i)
		}
		b.WriteString("</services>")
	case "properties":
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "service%d.port = %d\nservice%d.hosts = a.example,b.example\n", i, i, i)
		}
	}
	return b.String()
}

func BenchmarkSyntax(b *testing.B) {
	for _, typ := range []string{"json", "yaml", "toml", "xml", "properties"} {
		for _, size := range []int{1 << 10, 1 << 20} {
			content := sample(typ, size)
			b.Run(fmt.Sprintf("%s/kib=%d", typ, size>>10), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(content)))
				for b.Loop() {
					if f := Syntax(typ, content); f != nil {
						b.Fatal(f)
					}
				}
			})
		}
	}
}

func BenchmarkSchema(b *testing.B) {
	s := compile(b, `{"type": "object", "additionalProperties": {"type": ["object", "null"],
		"properties": {"port": {"type": "integer"}, "hosts": {"items": {"pattern": "^[a-z.]+$"}}, "timeout": {"type": "number"}}}}`)
	for _, typ := range []string{"json", "yaml", "toml"} {
		for _, size := range []int{1 << 10, 1 << 19} {
			content := sample(typ, size)
			b.Run(fmt.Sprintf("%s/kib=%d", typ, size>>10), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(content)))
				for b.Loop() {
					if f := s.Check(typ, content); f != nil {
						b.Fatal(f[0])
					}
				}
			})
		}
	}
}
