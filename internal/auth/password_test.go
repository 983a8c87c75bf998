package auth

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// A user who does not exist costs as much as one with another password: bcrypt reads the
// hash, with the same cost, to its end.
func TestDummyHashIsAHash(t *testing.T) {
	for _, cost := range []int{bcrypt.MinCost, 6} {
		hash, err := dummyHash(cost)
		require.NoError(t, err)
		right, err := hashPassword("right", cost)
		require.NoError(t, err)
		require.Len(t, hash, len(right))
		at, err := bcrypt.Cost([]byte(hash))
		require.NoError(t, err)
		require.Equal(t, cost, at)
		require.ErrorIs(t, bcrypt.CompareHashAndPassword([]byte(hash), []byte("wrong")), bcrypt.ErrMismatchedHashAndPassword)
	}
}
