package nacosapi

import (
	"net/url"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// The separators of a long-poll's body.
const (
	fieldEnd  = "\x02"
	recordEnd = "\x01"
)

// pollKeysMax is how many configs one long-poll may name.
const pollKeysMax = 10_000

var errProbeModify = wire.Refuse(wire.ParameterInvalid, "invalid probeModify")

// parseListening reads the form field Listening-Configs: records that end with
// 0x01, of fields separated by 0x02: dataId, group, md5 and, if the client wrote
// one, the tenant.
func parseListening(field string) ([]listen.Watched, error) {
	if strings.TrimSpace(field) == "" {
		return nil, errProbeModify
	}
	// Some clients escape the value twice; no legal name holds a percent sign.
	if strings.Contains(field, "%") {
		decoded, err := url.QueryUnescape(field)
		if err != nil {
			return nil, errProbeModify
		}
		field = decoded
	}
	records := strings.Count(field, recordEnd)
	if records > pollKeysMax {
		return nil, wire.Refuse(wire.ParameterInvalid, "too many configs in Listening-Configs")
	}
	watched := make([]listen.Watched, 0, records)
	for field != "" {
		record, rest, ended := strings.Cut(field, recordEnd)
		if !ended {
			return nil, errProbeModify
		}
		field = rest
		var w listen.Watched
		fields := strings.SplitN(record, fieldEnd, 5)
		switch len(fields) {
		case 4:
			w.Tenant = fields[3]
		case 3:
		default:
			return nil, errProbeModify
		}
		w.Key, w.MD5 = configcenter.MakeKey(w.Tenant, fields[1], fields[0]), fields[2]
		if err := w.Key.Validate(); err != nil {
			return nil, err
		}
		if len(w.MD5) > 64 {
			return nil, errProbeModify
		}
		watched = append(watched, w)
	}
	return watched, nil
}

// formatChanged is the answer to a long-poll: as parseListening reads it, but
// without md5, and escaped for a URL. It is empty for no changes.
func formatChanged(changed []listen.Watched) string {
	var b strings.Builder
	for _, w := range changed {
		b.WriteString(w.Key.DataID + fieldEnd + w.Key.Group)
		if w.Tenant != "" {
			b.WriteString(fieldEnd + w.Tenant)
		}
		b.WriteString(recordEnd)
	}
	return url.QueryEscape(b.String())
}

// formatProbeModify is the answer of the days before namespaces, for a header.
func formatProbeModify(changed []listen.Watched) string {
	var b strings.Builder
	for _, w := range changed {
		b.WriteString(w.Key.DataID + ":" + w.Key.Group + ";")
	}
	return b.String()
}
