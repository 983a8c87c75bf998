// Package nacosapi serves the locks of package lock to Nacos clients. They speak of locks
// over gRPC only, and what is answered is what Nacos 3.0.3 answers: a lock that is held is
// a success without a result, and a request that makes no sense a failure with code 0.
package nacosapi

import (
	"context"
	"errors"
	"time"

	"github.com/zensus-io/zensus/internal/lock"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/names"
)

// Register makes s serve lock requests. Call it once, before s serves.
func Register(s *rpc.Server, locks *lock.Locks) {
	rpc.Register(s, func(ctx context.Context, _ *rpc.Conn, in *wire.LockOperationRequest) (*wire.LockOperationResponse, error) {
		return serve(ctx, locks, in)
	})
}

// The texts of failures (Nacos). Their error code is 0.
const (
	textNoOperation = "There is no Handler of such operations!"
	textNoKey       = "lockType or lockKey is null."
)

func serve(ctx context.Context, locks *lock.Locks, in *wire.LockOperationRequest) (*wire.LockOperationResponse, error) {
	operation := wire.Text(in.Operation)
	switch operation {
	case wire.LockAcquire, wire.LockRelease:
	case wire.LockExpire, "":
		return failed(textNoOperation), nil
	default:
		return nil, wire.Refuse(wire.ParameterInvalid, "Unsupported lock operation "+clip(operation))
	}
	switch l := in.Instance; {
	case l == nil || l.Key == nil || l.LockType == nil:
		return failed(textNoKey), nil
	case *l.LockType != wire.LockMutex:
		return failed("lockType: " + clip(*l.LockType) + " is not exist."), nil
	case operation == wire.LockAcquire && l.ExpiredTime == nil:
		return nil, wire.Refuse(wire.ParameterInvalid, "expiredTime is required")
	}
	var done bool
	var err error
	if operation == wire.LockAcquire {
		done, err = locks.Acquire(ctx, *in.Instance.Key, lease(*in.Instance.ExpiredTime))
	} else {
		done, err = locks.Release(ctx, *in.Instance.Key)
	}
	switch {
	case errors.Is(err, lock.ErrKey), errors.Is(err, lock.ErrTooMany):
		return failed(err.Error()), nil
	case err != nil:
		return nil, err
	}
	return &wire.LockOperationResponse{Response: wire.Succeeded(), Result: done}, nil
}

// lease is a number of milliseconds, however large.
func lease(millis int64) time.Duration {
	if millis < 0 {
		return -1
	}
	return time.Duration(min(millis, lock.LeaseMax.Milliseconds())) * time.Millisecond
}

func failed(text string) *wire.LockOperationResponse {
	return &wire.LockOperationResponse{Response: wire.Failed(0, text)}
}

func clip(s string) string { return names.Clip(s, 64, "...") }
