package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/zensus-io/zensus/core/apache"
	"github.com/zensus-io/zensus/core/peer"
	"github.com/zensus-io/zensus/internal/settings"
)

// tlsOfSettings is how the members of a zensus.yaml encrypt their links.
func tlsOfSettings(s *settings.PeerTLS) peer.TLS {
	return peer.TLS{
		Mode: map[string]peer.TLSMode{
			settings.TLSAccept: peer.TLSAccept, settings.TLSPrefer: peer.TLSPrefer, settings.TLSRequire: peer.TLSRequire,
		}[s.Mode],
		CertFile: s.CertFile, KeyFile: s.KeyFile, CAFile: s.CAFile, ClientAuth: clientAuths[s.ClientAuth],
		AnyAcceptor: !s.VerifyHosts, AnyDialer: !s.VerifyHosts,
	}
}

// tlsOfZooCfg is how those of a zoo.cfg do.
func tlsOfZooCfg(q *apache.QuorumTLS) peer.TLS {
	mode := peer.TLSOff
	switch {
	case q.Enabled && q.PlainToo:
		mode = peer.TLSPrefer
	case q.Enabled:
		mode = peer.TLSRequire
	case q.PlainToo:
		mode = peer.TLSAccept
	}
	return peer.TLS{
		Mode: mode, CertFile: q.KeyStore, CAFile: q.TrustStore, ClientAuth: clientAuths[q.ClientAuth],
		AnyAcceptor: !q.VerifyHosts, AnyDialer: !q.VerifyHosts || !q.VerifyClientHosts,
	}
}

var clientAuths = map[string]peer.ClientAuth{
	settings.ClientAuthNeed: peer.ClientAuthNeed, settings.ClientAuthWant: peer.ClientAuthWant, settings.ClientAuthNone: peer.ClientAuthNone,
}

// encrypt has the links of the planned member encrypted, and looks at the files.
func (p *plan) encrypt(tls peer.TLS) error {
	mode, file := "peer.tls.mode", "peer.tls.cert_file"
	if p.names != nil {
		mode, file = "sslQuorum", "ssl.quorum.keyStore.location"
	}
	if tls.Mode == peer.TLSOff {
		if tls.CertFile != "" {
			p.warnings = append(p.warnings, fmt.Sprintf("%s is set, but %s is off: links between members are not encrypted", file, mode))
		}
		return nil
	}
	if tls.Mode != peer.TLSRequire {
		p.warnings = append(p.warnings, "links between members may be in plain text, as long as both are taken")
	}
	p.ensemble.tls = tls
	if _, err := peer.OpenCertificates(tls, nil); err != nil && !errors.Is(err, fs.ErrPermission) { // who checks need not be who starts
		return fmt.Errorf("peer.tls: %w", err)
	}
	return nil
}

// closed reports whether certificates keep out who is no member, so that nobody needs a
// secret for it.
func (e *ensemble) closed() bool {
	return e.tls.Mode == peer.TLSRequire && e.tls.ClientAuth == peer.ClientAuthNeed
}
