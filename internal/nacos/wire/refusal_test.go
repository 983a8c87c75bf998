package wire

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/refusal"
)

func TestRefusalsOfTheDomainHaveNacosWords(t *testing.T) {
	for _, c := range []struct {
		kind refusal.Kind
		as   Kind
		text string
	}{
		{refusal.Invalid, ParameterInvalid, "no"},
		{refusal.NotFound, NotFound, "no"},
		{refusal.Exists, Conflict, "no"},
		{refusal.Unauthenticated, TokenInvalid, "Code: 401, Message: no."},
		{refusal.WrongPassword, AccessDenied, "no"},
		{refusal.Forbidden, AccessDenied, "Code: 403, Message: no."},
		{refusal.Busy, Busy, "no"},
		{refusal.Starting, Starting, "Server is starting,please try later."},
		{refusal.Off, Unimplemented, "no"},
		{refusal.Off + 1, ServerError, "no"},
	} {
		err := refusal.New(c.kind, "no")
		for name, e := range map[string]*Error{"itself": AsError(err), "wrapped": AsError(fmt.Errorf("read: %w", err))} {
			require.Equal(t, c.as, e.Kind, name)
			require.ErrorIs(t, e, err, name)
			if c.kind <= refusal.Off {
				require.Equal(t, c.text, e.Text, name)
			}
		}
	}
	require.Len(t, refusals, int(refusal.Off)+1, "every kind has its row")

	gone := refusal.New(refusal.NotFound, "not found")
	e := AsError(RefuseBy(ParameterInvalid, gone))
	require.Equal(t, ParameterInvalid, e.Kind, "whoever knows better is heard")
	require.True(t, errors.Is(e, gone))
}
