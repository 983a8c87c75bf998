package refusal

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestATextOfItsOwnLeavesWhatItIs(t *testing.T) {
	errGone := New(NotFound, "not found")
	err := fmt.Errorf("read: %w", Say(errGone, "user 'tom' not found"))
	require.ErrorIs(t, err, errGone)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, NotFound, e.Kind)
	require.Equal(t, "user 'tom' not found", e.Error())
	require.NotErrorIs(t, New(NotFound, "not found"), errGone, "each is one of its own")

	require.ErrorAs(t, Say(errors.New("another"), "no"), &e)
	require.Equal(t, Invalid, e.Kind)
}
