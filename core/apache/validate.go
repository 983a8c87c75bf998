package apache

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
	"github.com/zensus-io/zensus/core/quorum"
)

// Validate says what about the configuration makes no sense, all of it together,
// each named by its key. Members of a dynamic file must have been read.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.DataDir == "" {
		bad("dataDir: is required")
	}
	if c.TickTime < time.Millisecond {
		bad("tickTime: %v is below 1ms", c.TickTime)
	}
	if least, most := c.SessionTimeouts(); least > most {
		bad("minSessionTimeout: %v is above maxSessionTimeout, %v", least, most)
	} else if most > math.MaxInt32*time.Millisecond {
		bad("maxSessionTimeout: %v is more than the protocol can say", most)
	}
	if c.SecureClientPort != 0 && c.SecureClientPort == c.ClientPort && c.SecureClientPortAddress == c.ClientPortAddress {
		bad("secureClientPort: %d is the clientPort too", c.SecureClientPort)
	}
	if c.ClientPort == 0 && c.ClientPortAddress != "" && !slices.Contains(c.refused, "clientPort") {
		bad("clientPortAddress: is set, clientPort is not")
	}
	if c.SecureClientPort == 0 && c.SecureClientPortAddress != "" && !slices.Contains(c.refused, "secureClientPort") {
		bad("secureClientPortAddress: is set, secureClientPort is not")
	}
	if c.SecureClientPort != 0 || c.anySecure() {
		errs = append(errs, c.validateTLS())
	}
	errs = append(errs, c.validateMembers())
	if c.SpeaksTLS() && !c.Standalone() {
		errs = append(errs, c.validateQuorumTLS())
	}
	return errors.Join(errs...)
}

// SpeaksTLS reports whether members take links with TLS.
func (c *Config) SpeaksTLS() bool { return c.QuorumTLS.Enabled || c.QuorumTLS.PlainToo }

func (c *Config) validateQuorumTLS() error {
	var errs []error
	for key, value := range map[string]string{
		"ssl.quorum.keyStore.location": c.QuorumTLS.KeyStore, "ssl.quorum.trustStore.location": c.QuorumTLS.TrustStore,
	} {
		if value == "" && !slices.Contains(c.refused, key) {
			errs = append(errs, fmt.Errorf("%s: is required where sslQuorum or portUnification is true", key))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (c *Config) anySecure() bool {
	for _, s := range c.Servers {
		if s.Secure != (Endpoint{}) {
			return true
		}
	}
	return false
}

func (c *Config) validateTLS() error {
	if c.TLS.KeyStore == "" {
		return errors.New("ssl.keyStore.location: is required for a secure client port")
	}
	if c.TLS.TrustStore == "" && c.TLS.ClientAuth == "need" {
		return errors.New("ssl.trustStore.location: is required where ssl.clientAuth is need")
	}
	return nil
}

func (c *Config) validateMembers() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var ids quorum.Set
	addresses, clients := map[string]core.PeerID{}, map[Endpoint]core.PeerID{}
	for _, s := range c.Servers {
		if ids.Has(s.ID) {
			bad("server.%d: is named twice", s.ID)
		}
		ids.Add(s.ID)
		for _, a := range s.Addresses {
			at := fmt.Sprintf("%s:%d", strings.ToLower(a.Host), a.QuorumPort)
			if other, taken := addresses[at]; taken {
				bad("server.%d: server.%d has the address %s too", s.ID, other, at)
			}
			addresses[at] = s.ID
		}
		if s.Client.Host == "" || strings.HasPrefix(s.Client.Host, "127.") || s.Client.Host == "localhost" || s.Client.Host == "::1" {
			continue // these mean another machine for each member
		}
		if other, taken := clients[s.Client]; taken {
			bad("server.%d: server.%d has the client address %v too", s.ID, other, s.Client)
		}
		clients[s.Client] = s.ID
	}
	if len(c.Servers) == 0 && c.DynamicConfigFile != "" {
		bad("dynamicConfigFile: names no server")
	}
	if len(c.Servers) == 0 && !c.StandaloneEnabled {
		bad("standaloneEnabled: is false, and there is no server")
	}
	if c.Standalone() {
		if len(c.Servers) > 1 || c.PeerType == Observer {
			bad("server: an observer needs an ensemble")
		}
		return errors.Join(errs...)
	}
	if c.voters() == 0 {
		bad("server: no member is a participant")
	}
	if c.InitLimit < 1 {
		bad("initLimit: is required in an ensemble")
	}
	if c.SyncLimit < 1 {
		bad("syncLimit: is required in an ensemble")
	}
	return errors.Join(errs...)
}

// Resolve takes the place of server id among the members: its line's client
// addresses become those of the configuration where that has none. It returns
// the member, and an error if there is none with that id, or if two places name
// different client ports or roles.
func (c *Config) Resolve(id core.PeerID) (Server, error) {
	for _, s := range c.Servers {
		if s.ID != id {
			continue
		}
		if c.PeerType != "" && c.PeerType != s.Role {
			return Server{}, fmt.Errorf("peerType: is %s, server.%d says %s", c.PeerType, id, s.Role)
		}
		return s, errors.Join(
			adopt("clientPort", s.Client, &c.ClientPort, &c.ClientPortAddress),
			adopt("secureClientPort", s.Secure, &c.SecureClientPort, &c.SecureClientPortAddress))
	}
	return Server{}, fmt.Errorf("server.%d: this server is not among the members", id)
}

func adopt(key string, from Endpoint, port *int, address *string) error {
	if from == (Endpoint{}) {
		return nil
	}
	if *port != 0 && *port != from.Port {
		return fmt.Errorf("%s: is %d, the server line says %d", key, *port, from.Port)
	}
	if *address != "" && member.NormalHost(*address) != from.Host {
		return fmt.Errorf("%sAddress: is %s, the server line says %v", key, *address, from)
	}
	*port, *address = from.Port, from.Host
	return nil
}

// pemStore checks the type of a key or trust store by its name, as ZooKeeper
// does where ssl.*.type is not set.
func pemStore(path string) error {
	if ext := strings.ToLower(filepath.Ext(path)); ext != ".pem" {
		return fmt.Errorf("%q is no .pem file: only PEM can be read", path)
	}
	return nil
}
