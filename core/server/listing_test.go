package server

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCommandsThatListEverythingComeOneAfterTheOther(t *testing.T) {
	s := New(Config{}, nil)
	leave, err := s.alone(context.Background())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = s.watchesByConn(ctx, Strangers)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = s.lookSessions(ctx, Strangers)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	leave()
	leave, err = s.alone(context.Background())
	require.NoError(t, err)
	leave()
}

func TestTooMuchToListIsRefused(t *testing.T) {
	require.NoError(t, checkListed("watches", listedMax))
	err := checkListed("watches", listedMax+1)
	require.True(t, errors.Is(err, errTooMuch))
	require.EqualError(t, err, "not executed because there is too much to list: 1000001 watches, at most 1000000")
}
