package apache

import "testing"

func TestRedactedTextHoldsNoSecretAndEverythingElse(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no secret": {"# a comment\ntickTime=2000\n\n  dataDir = /data\n", "# a comment\ntickTime=2000\n\n  dataDir = /data\n"},
		"the super digest": {
			"clientPort=2181\nDigestAuthenticationProvider.superDigest=super:hush\ntickTime=1",
			"clientPort=2181\nDigestAuthenticationProvider.superDigest=[redacted]\ntickTime=1",
		},
		"its system property":        {"zookeeper.DigestAuthenticationProvider.superDigest: super:hush", "zookeeper.DigestAuthenticationProvider.superDigest=[redacted]\n"},
		"a value over several lines": {"ssl.keyStore.password = hu\\\n   sh\\\nhush\na=b\n", "ssl.keyStore.password=[redacted]\na=b\n"},
		"a key over several lines":   {"ssl.keyStore.pass\\\n  word=hush\na=b\n", "ssl.keyStore.password=[redacted]\na=b\n"},
		"a key with an escape":       {`ssl.keyStore.pass\u0077ord hush`, "ssl.keyStore.password=[redacted]\n"},
		"a comment":                  {"  #ssl.trustStore.password=hush\n", "ssl.trustStore.password=[redacted]\n"},
		"a key that nobody knows":    {"my.Secret=hush\r\na=b\r\n", "my.Secret=[redacted]\na=b\n"},
		"where a secret is":          {"ssl.keyStore.passwordPath=/etc/p\n", "ssl.keyStore.passwordPath=/etc/p\n"},
		"other continued lines":      {"a=b\\\n  password=no key\nc=d\\\\\ne=f\n", "a=b\\\n  password=no key\nc=d\\\\\ne=f\n"},
		"a comment goes on nowhere":  {"# a \\\npassword=hush\n", "# a \\\npassword=[redacted]\n"},
	} {
		if got := Redact(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
