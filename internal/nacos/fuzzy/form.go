package fuzzy

import "strings"

// Services writes keys as namespace@@group@@name.
var Services = Form{
	Write: func(k Key) string { return k.Namespace + "@@" + k.Group + "@@" + k.Name },
	Read: func(s string) (Key, bool) {
		parts := strings.SplitN(s, "@@", 3)
		if len(parts) != 3 {
			return Key{}, false
		}
		return Key{Namespace: parts[0], Group: parts[1], Name: parts[2]}, true
	},
}

var (
	escape   = strings.NewReplacer("+", "%2B", "%", "%25")
	unescape = strings.NewReplacer("%2B", "+", "%25", "%")
)

// Configs writes keys as name+group+namespace, each with + and % escaped.
var Configs = Form{
	Write: func(k Key) string {
		return escape.Replace(k.Name) + "+" + escape.Replace(k.Group) + "+" + escape.Replace(k.Namespace)
	},
	Read: func(s string) (Key, bool) {
		parts := strings.SplitN(s, "+", 4)
		if len(parts) != 3 {
			return Key{}, false
		}
		return Key{Namespace: unescape.Replace(parts[2]), Group: unescape.Replace(parts[1]), Name: unescape.Replace(parts[0])}, true
	},
}
