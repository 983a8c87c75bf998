package telemetry

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// Slog makes a slog.Logger that logs through an hclog one, with its name, level
// and fields.
func Slog(to hclog.Logger) *slog.Logger { return slog.New(&slogHandler{to: to}) }

// slogHandler is a slog.Handler on an hclog.Logger. Groups become prefixes of
// keys, as in "request.path".
type slogHandler struct {
	to     hclog.Logger
	prefix string
}

func levelOf(l slog.Level) hclog.Level {
	switch {
	case l < slog.LevelDebug:
		return hclog.Trace
	case l < slog.LevelInfo:
		return hclog.Debug
	case l < slog.LevelWarn:
		return hclog.Info
	case l < slog.LevelError:
		return hclog.Warn
	}
	return hclog.Error
}

// Enabled reports whether the logger behind takes this level.
func (h *slogHandler) Enabled(_ context.Context, l slog.Level) bool {
	switch levelOf(l) {
	case hclog.Trace:
		return h.to.IsTrace()
	case hclog.Debug:
		return h.to.IsDebug()
	case hclog.Info:
		return h.to.IsInfo()
	case hclog.Warn:
		return h.to.IsWarn()
	}
	return h.to.IsError()
}

// Handle logs one record.
func (h *slogHandler) Handle(_ context.Context, r slog.Record) error {
	args := make([]any, 0, 2*r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		args = appendAttr(args, h.prefix, a)
		return true
	})
	h.to.Log(levelOf(r.Level), r.Message, args...)
	return nil
}

// WithAttrs adds fields to every record.
func (h *slogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var args []any
	for _, a := range attrs {
		args = appendAttr(args, h.prefix, a)
	}
	if len(args) == 0 {
		return h
	}
	return &slogHandler{to: h.to.With(args...), prefix: h.prefix}
}

// WithGroup puts the fields that follow below a name.
func (h *slogHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &slogHandler{to: h.to, prefix: h.prefix + name + "."}
}

// appendAttr flattens groups and, as slog asks, passes over empty attributes.
func appendAttr(args []any, prefix string, a slog.Attr) []any {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range v.Group() {
			args = appendAttr(args, prefix, inner)
		}
		return args
	}
	if a.Key == "" && v.Any() == nil {
		return args
	}
	return append(args, prefix+a.Key, v.Any())
}
