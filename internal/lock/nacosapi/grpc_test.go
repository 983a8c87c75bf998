package nacosapi

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/lock"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// What Nacos 3.0.3 answers to the same, but for the two that fail there with an exception.
func TestLockRequests(t *testing.T) {
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
	require.NoError(t, err)
	locks := lock.New(client, nil, nil)
	for _, c := range []struct {
		request string
		result  bool
		message string // of a typed failure
		code    int    // of another one
	}{
		{request: `{"lockInstance":{"key":"a","expiredTime":60000,"lockType":"NACOS_LOCK"},"lockOperationEnum":"ACQUIRE"}`, result: true},
		{request: `{"lockInstance":{"key":"a","expiredTime":60000,"lockType":"NACOS_LOCK"},"lockOperationEnum":"ACQUIRE"}`},
		{request: `{"lockInstance":{"key":"a","lockType":"NACOS_LOCK","params":{"who":"b"}},"lockOperationEnum":"RELEASE"}`, result: true},
		{request: `{"lockInstance":{"key":"a","expiredTime":-1,"lockType":"NACOS_LOCK"},"lockOperationEnum":"RELEASE"}`},
		{request: `{"lockInstance":{"key":"b","expiredTime":9223372036854775807,"lockType":"NACOS_LOCK"},"lockOperationEnum":"ACQUIRE"}`, result: true},
		{request: `{"lockInstance":{"expiredTime":1,"lockType":"NACOS_LOCK"},"lockOperationEnum":"ACQUIRE"}`, message: "lockType or lockKey is null."},
		{request: `{"lockInstance":{"key":"a","expiredTime":1},"lockOperationEnum":"RELEASE"}`, message: "lockType or lockKey is null."},
		{request: `{"lockInstance":{"key":"a","expiredTime":1,"lockType":"OTHER"},"lockOperationEnum":"ACQUIRE"}`, message: "lockType: OTHER is not exist."},
		{request: `{"lockInstance":{"key":"a","expiredTime":1,"lockType":"NACOS_LOCK"},"lockOperationEnum":"EXPIRE"}`, message: "There is no Handler of such operations!"},
		{request: `{}`, message: "There is no Handler of such operations!"},
		{request: `{"lockOperationEnum":"ACQUIRE"}`, message: "lockType or lockKey is null."},
		{request: `{"lockInstance":{"key":"c","lockType":"NACOS_LOCK"},"lockOperationEnum":"ACQUIRE"}`, code: 400},
		{request: `{"lockOperationEnum":"RENEW"}`, code: 400},
	} {
		var in wire.LockOperationRequest
		require.NoError(t, json.Unmarshal([]byte(c.request), &in))
		out, err := serve(t.Context(), locks, &in)
		if c.code != 0 {
			require.Equal(t, c.code, wire.AsError(err).Kind.RPCCode(), c.request)
			continue
		}
		require.NoError(t, err, c.request)
		require.Equal(t, c.result, out.Result, c.request)
		require.Equal(t, c.message == "", out.OK(), c.request)
		require.Equal(t, c.message, out.Message, c.request)
		require.Zero(t, out.ErrorCode, c.request)
	}
}

func TestLeasesOfAnyLength(t *testing.T) {
	require.Negative(t, lease(-1))
	require.Negative(t, lease(math.MinInt64))
	require.Equal(t, lock.LeaseMax, lease(math.MaxInt64))
	require.Equal(t, time.Second, lease(1000))
}
