package nacosapi

import (
	"context"
	"errors"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/internal/nacos/fuzzy"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// The texts that clients and frameworks match.
const (
	textNotFound    = "config data not exist"
	textCASMismatch = "Cas publish fail, server md5 may have changed."
	// textNotFoundV3 is v3's of a config, over its interface for tools.
	textNotFoundV3 = "Config not exist, please publish Config first."
)

// refusals is the one table of the config center's errors.
var refusals = []struct {
	err  error
	kind wire.Kind
	text string // "" for the error's own
}{
	{configcenter.ErrNotFound, wire.NotFound, textNotFound},
	{configcenter.ErrCASMismatch, wire.CASMismatch, textCASMismatch},
	{configcenter.ErrTooLarge, wire.ContentTooLarge, ""},
	{configcenter.ErrInvalid, wire.ParameterInvalid, ""},
	{configcenter.ErrTooManyGrays, wire.GrayTooMany, ""},
	{configcenter.ErrGrayGone, wire.Conflict, ""},
	{configcenter.ErrContended, wire.Busy, ""},
	{configcenter.ErrNotReady, wire.Starting, "Server is starting,please try later."},
	{listen.ErrTooMany, wire.Busy, ""},
	{fuzzy.ErrPattern, wire.ParameterInvalid, ""},
	{fuzzy.ErrTooManyPatterns, wire.FuzzyPatterns, ""},
	{fuzzy.ErrTooManyMatches, wire.FuzzyMatches, ""},
}

// refusal puts err in Nacos's terms. Errors of the engine are left to wire.AsError.
func refusal(err error) error {
	var invalid *configcenter.InvalidError
	if errors.As(err, &invalid) && invalid.Nacos != "" {
		if strings.HasPrefix(invalid.Nacos, "Param '") {
			err = &rest.NameError{Err: err}
		}
		return &wire.Error{Kind: wire.ParameterInvalid, Text: invalid.Nacos, Err: err}
	}
	var full *configcenter.QuotaError
	if errors.As(err, &full) {
		return wire.RefuseBy(quotaKind(full), err)
	}
	for _, r := range refusals {
		if !errors.Is(err, r.err) {
			continue
		}
		if r.text == "" {
			return wire.RefuseBy(r.kind, err)
		}
		return &wire.Error{Kind: r.kind, Text: r.text, Err: err}
	}
	return err
}

// readRefusal is refusal for reads of the picture, which wait only while the
// server starts.
func readRefusal(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &wire.Error{Kind: wire.Starting, Text: "Server is starting,please try later.", Err: err}
	}
	return refusal(err)
}

// quotaKind is whose quota is used up.
func quotaKind(e *configcenter.QuotaError) wire.Kind {
	switch {
	case e.Namespace != "":
		return wire.TenantQuota
	case e.Group != "":
		return wire.GroupQuota
	}
	return wire.ClusterQuota
}
