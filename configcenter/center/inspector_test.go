package center

import (
	"context"
	"errors"
	"testing"
)

func TestSchemasAreComparedAFewAtATime(t *testing.T) {
	in := newInspector(Refuse)
	if err := in.compared.Acquire(t.Context(), comparedMax); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.faults(ctx, "json", "1", `{"type": "string"}`); !errors.Is(err, context.Canceled) {
		t.Errorf("with as many under way as may be: %v", err)
	}
	if faults, err := in.faults(ctx, "json", "{", ""); len(faults) != 1 || err != nil {
		t.Errorf("without a schema: %v, %v", faults, err)
	}
	in.compared.Release(comparedMax)
	if faults, err := in.faults(t.Context(), "json", "1", `{"type": "string"}`); len(faults) != 1 || err != nil {
		t.Errorf("with room: %v, %v", faults, err)
	}
}
