package apache

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
)

// The functions below make a Key's set for a field of one kind.

type setter = func(c *Config, key, value string) error

func text(field func(*Config) *string) setter {
	return func(c *Config, _, value string) error {
		*field(c) = value
		return nil
	}
}

func secret(field func(*Config) *Secret) setter {
	return func(c *Config, _, value string) error {
		*field(c) = Secret(value)
		return nil
	}
}

func store(field func(*Config) *string) setter {
	return func(c *Config, _, value string) error {
		*field(c) = value
		return pemStore(value)
	}
}

// boolean reads true or false, in any case, as ZooKeeper does where it checks.
func boolean(field func(*Config) *bool) setter {
	return func(c *Config, _, value string) error {
		switch {
		case strings.EqualFold(value, "true"):
			*field(c) = true
		case strings.EqualFold(value, "false"):
			*field(c) = false
		default:
			return fmt.Errorf("%q is neither true nor false", value)
		}
		return nil
	}
}

func number(least, most int, field func(*Config) *int) setter {
	return func(c *Config, _, value string) error {
		n, err := parseNumber(value, int64(least), int64(most))
		*field(c) = int(n)
		return err
	}
}

func parseNumber(value string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", value)
	}
	if n < least || n > most {
		return 0, fmt.Errorf("%d is not from %d to %d", n, least, most)
	}
	return n, nil
}

// millisMax is the longest time that a key can give: what a Java int holds.
const millisMax = 1<<31 - 1

func millis(least int64, field func(*Config) *time.Duration) setter {
	return func(c *Config, _, value string) error {
		n, err := parseNumber(value, least, millisMax)
		*field(c) = time.Duration(n) * time.Millisecond
		return err
	}
}

// sessionTimeout is milliseconds, where -1 is the default.
func sessionTimeout(field func(*Config) *time.Duration) setter {
	read := millis(1, field)
	return func(c *Config, key, value string) error {
		if value == "-1" {
			*field(c) = 0
			return nil
		}
		return read(c, key, value)
	}
}

func port(field func(*Config) *int) setter {
	return func(c *Config, _, value string) (err error) {
		*field(c), err = member.ParsePort(value)
		return err
	}
}

func setServer(c *Config, key, value string) error {
	s, err := ParseServer(strings.TrimPrefix(key, "server."), value)
	if err != nil {
		return err
	}
	c.Servers = append(c.Servers, s)
	return nil
}

func setPeerType(c *Config, _, value string) error {
	switch role := Role(strings.ToLower(value)); role {
	case Participant, Observer:
		c.PeerType = role
		return nil
	}
	return fmt.Errorf("%q is neither participant nor observer", value)
}

// setVersion reads the version of a dynamic file: the zxid of the
// reconfiguration, in hexadecimal.
func (c *Config) setVersion(value string) error {
	zxid, err := strconv.ParseUint(value, 16, 64)
	if err != nil {
		return fmt.Errorf("%q is not a hexadecimal number", value)
	}
	c.Version = core.Zxid(zxid)
	return nil
}

func setSnapSizeLimit(c *Config, _, value string) (err error) {
	c.SnapSizeLimitKB, err = parseNumber(value, -1, 1<<40)
	return err
}

// setWords reads a list of four-letter words.
func setWords(c *Config, _, value string) error {
	c.FourLetterWords = []string{}
	for word := range strings.SplitSeq(value, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		if word == "*" {
			c.FourLetterWords = []string{"*"}
			return nil
		}
		c.FourLetterWords = append(c.FourLetterWords, word)
	}
	return nil
}

func setCommandURL(c *Config, _, value string) error {
	if !strings.HasPrefix(value, "/") {
		return fmt.Errorf("%q does not begin with a slash", value)
	}
	c.Admin.CommandURL = value
	return nil
}

// The providers of metrics: the one whose port is opened, and the one that has none.
const (
	prometheusProvider = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
	defaultProvider    = "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider"
)

func setMetricsProvider(c *Config, _, value string) error {
	c.Metrics.Enabled = value == prometheusProvider
	return nil
}

// setSuperDigest wants what the digest scheme makes of a name and a password: a
// clear password here would make nobody super and lie open in a file.
func setSuperDigest(c *Config, _, value string) error {
	user, hash, ok := strings.Cut(value, ":")
	if !ok || user == "" || hash == "" {
		return errors.New("is not a name, a colon and the hash that the digest scheme makes")
	}
	c.SuperDigest = Secret(value)
	return nil
}

func clientAuth(field func(*Config) *string) setter {
	return func(c *Config, _, value string) error {
		switch auth := strings.ToLower(value); auth {
		case "need", "want", "none":
			*field(c) = auth
			return nil
		}
		return fmt.Errorf("%q is not need, want or none", value)
	}
}
