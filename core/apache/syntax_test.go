package apache

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
)

func TestPropertiesAreReadAsJavaReadsThem(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an equals sign", "a=b", "1 a=b"},
		{"a colon", "a:b", "1 a=b"},
		{"blanks", "a  b c", "1 a=b c"},
		{"blanks around the sign", " \ta = b\t ", "1 a=b"},
		{"only the first separator parts", "a=b=c:d", "1 a=b=c:d"},
		{"a value that begins with the other separator", "a=:b", "1 a=:b"},
		{"a key alone", "a", "1 a="},
		{"comments and empty lines", "# x\n  ! y = z\n\n \na=b # no comment", "5 a=b # no comment"},
		{"the last of several counts, where the first stood", "a=1\nb=2\na=3", "3 a=3|2 b=2"},
		{"a line that goes on", "a=b\\\n   c\nd=e", "1 a=bc|3 d=e"},
		{"a comment within a line that goes on is part of it", "a=b\\\n#c", "1 a=b#c"},
		{"an escaped backslash ends the line", "a=b\\\\\nc=d", `1 a=b\|2 c=d`},
		{"three backslashes escape one and go on", "a=b\\\\\\\nc", `1 a=b\c`},
		{"a file that ends in a backslash", "a=b\\", "1 a=b"},
		{"an escaped separator belongs to the key", `a\=b\ c=d`, "1 a=b c=d"},
		{"letters", `a=\tx\n\r\fy\z`, "1 a=x\n\r\fyz"},
		{"a character by its number", `a=\u00e4\u20AC`, "1 a=ä€"},
		{"a character by its surrogates", `a=\ud83d\ude00`, "1 a=😀"},
		{"lines of Windows", "a=b\r\nc=d\r\n", "1 a=b|2 c=d"},
		{"lines of old", "a=b\rc=d", "1 a=b|2 c=d"},
		{"the value of a path with spaces inside", "dataDir=/var/my data ", "1 dataDir=/var/my data"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := readProperties(strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range list {
				got = append(got, fmt.Sprintf("%d %s=%s", p.line, p.key, p.value))
			}
			if strings.Join(got, "|") != tt.want {
				t.Errorf("got %q, want %q", strings.Join(got, "|"), tt.want)
			}
		})
	}
}

func TestPropertiesThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{
		"a number of three digits":    "a=b\nc=\\u00e",
		"a number that is none":       "a=b\nc=\\u00zz",
		"a bad one after a surrogate": "a=b\nc=\\ud83d\\uzzzz",
	} {
		if _, err := readProperties(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := ParseConfig(strings.NewReader(strings.Repeat("#", configBytesMax+1))); err == nil {
		t.Error("a file without end is read")
	}
	if err := DefaultConfig().ReadDynamic(strings.NewReader(`\u`)); err == nil {
		t.Error("a broken dynamic file is read")
	}
}

func TestServerLines(t *testing.T) {
	tests := []struct{ name, id, value, want string }{
		{"the usual", "1", "zk1:2888:3888", "server.1=zk1:2888:3888:participant"},
		{"blanks", "1", " zk1:2888:3888 : observer ; 2181 ", "server.1=zk1:2888:3888:observer;0.0.0.0:2181"},
		{"a client port", "254", "zk1:2888:3888:participant;2181", "server.254=zk1:2888:3888:participant;0.0.0.0:2181"},
		{"a client address", "7", "zk1:1:2;10.0.0.1:2181", "server.7=zk1:1:2:participant;10.0.0.1:2181"},
		{"any client address", "7", "zk1:1:2;[::]:2181", "server.7=zk1:1:2:participant;0.0.0.0:2181"},
		{"a secure address", "7", "zk1:1:2;2181;zk1:2281", "server.7=zk1:1:2:participant;0.0.0.0:2181;zk1:2281"},
		{"a secure address alone", "7", "zk1:1:2;;2281", "server.7=zk1:1:2:participant;;0.0.0.0:2281"},
		{"IPv6", "7", "[::1]:1:2:observer;[2001:db8::1]:3", "server.7=[::1]:1:2:observer;[2001:db8::1]:3"},
		{"several addresses", "7", "a:1:2|[::1]:3:4:observer;5", "server.7=a:1:2|[::1]:3:4:observer;0.0.0.0:5"},
		{"id 0", "0", "a:1:2", `! id "0" is not a number from 1 to 254`},
		{"id 255", "255", "a:1:2", `! id "255" is not a number from 1 to 254`},
		{"a name for an id", "x", "a:1:2", `! id "x" is not a number from 1 to 254`},
		{"nothing", "1", "", `! "" is no host and port`},
		{"no host", "1", ":1:2", "! no host"},
		{"no ports", "1", "a", `! "a" is no host and port`},
		{"no election port", "1", "a:1", "! want host:quorumPort:electionPort[:role]"},
		{"too many parts", "1", "a:1:2:observer:3", "! want host:quorumPort:electionPort[:role]"},
		{"a port that is none", "1", "a:0:2", `! quorum port: "0" is no port`},
		{"an election port that is none", "1", "a:1:x", `! election port: "x" is no port`},
		{"a client port that is none", "1", "a:1:2;x", `! client address: "x" is no port`},
		{"an unknown role", "1", "a:1:2:leader", `! role "leader" is neither participant nor observer`},
		{"an empty role", "1", "a:1:2:", "! empty role"},
		{"IPv6 without brackets", "1", "::1:1:2", "! no host"},
		{"brackets that stay open", "1", "[::1:1:2", `! "[::1:1:2" is no IPv6 address in brackets and a port`},
		{"a name in brackets", "1", "[zk1]:1:2", `! "[zk1]:1:2" is no IPv6 address in brackets and a port`},
		{"a role before the last address", "1", "a:1:2:observer|b:1:2", "! a role stands before the last address"},
		{"three client addresses", "1", "a:1:2;1;2;3", "! more than two client addresses"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseServer(tt.id, tt.value)
			got := s.String()
			if err != nil {
				got = "! " + err.Error()
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMyID(t *testing.T) {
	tests := []struct {
		text string
		want core.PeerID // 0: refused
	}{{"1", 1}, {"254\n", 254}, {" 7 \r\n", 7}, {"", 0}, {"0", 0}, {"255", 0}, {"-1", 0}, {"one", 0}, {"1 2", 0}, {strings.Repeat("0", 100) + "1", 0}}
	for _, tt := range tests {
		got, err := ParseMyID(strings.NewReader(tt.text))
		if got != tt.want || (err == nil) != (tt.want != 0) {
			t.Errorf("%q: got %d, %v", tt.text, got, err)
		}
	}
}

// FuzzParseConfig: no file makes it panic, and a file that is read again, or
// whose members are written and read, means the same.
func FuzzParseConfig(f *testing.F) {
	f.Add("tickTime=2000\nserver.1=a:1:2;3\nserver.2=[::1]:1:2:observer;;4\n")
	f.Add("a\\\n=b\\u00e4\n\\")
	f.Add("autopurge.purgeInterval=9223372036854775807d\nweight.1=1\nzensus.=x\n=\n")
	f.Add("dynamicConfigFile=x\nversion=1\nssl.clientAuth=NEED\n4lw.commands.whitelist=,*")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, warnings, err := ParseConfig(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, w := range warnings {
			if w.Line < 1 || w.Text == "" {
				t.Fatalf("warning %+v", w)
			}
		}
		again, _, err := ParseConfig(strings.NewReader(text))
		if err != nil || !reflect.DeepEqual(cfg, again) {
			t.Fatalf("the second time: %+v, %v", again, err)
		}
		valid := cfg.Validate() == nil
		members, copied := FormatDynamic(cfg.Servers, 7), DefaultConfig()
		if err := copied.ReadDynamic(strings.NewReader(members)); valid && err != nil {
			t.Fatalf("%s: %v", members, err)
		}
		if valid && !slices.EqualFunc(copied.Servers, cfg.Servers, func(a, b Server) bool { return reflect.DeepEqual(a, b) }) {
			t.Fatalf("members %v became %v", cfg.Servers, copied.Servers)
		}
	})
}
