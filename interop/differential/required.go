package differential

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Unreachable is a code that the run does not require.
type Unreachable struct {
	Code   core.Code
	Reason string
}

// Unreached are the codes of the protocol that neither of two standalone servers
// sends to a client, whatever it asks.
var Unreached = []Unreachable{
	{core.SystemError, "marks the beginning of a range; Zensus sends it only where its disk is nearly full"},
	{core.DataInconsistency, "never sent"},
	{core.ConnectionLoss, "made by clients"},
	{core.OperationTimeout, "made by clients"},
	{core.NewConfigNoQuorum, "of a reconfiguration; a standalone server knows none"},
	{core.ReconfigInProgress, "of a reconfiguration; a standalone server knows none"},
	{core.APIError, "marks the end of a range"},
	{core.SessionExpired, "a request reaches a session that has ended only behind its closeSession or while it expires, and then the connection is closed before the answer is sent; who connects to such a session gets a refused ConnectResponse, which the run counts"},
	{core.InvalidCallback, "made by clients"},
	{core.SessionMoved, "of an ensemble, and there the connection is closed instead"},
	{core.NotReadOnly, "of a server that has lost its quorum"},
	{core.EphemeralOnLocalSession, "of local sessions, which Zensus does not have"},
	{core.RequestTimeout, "made by clients"},
	{core.SessionClosedRequireSASL, "of enforced authentication, which Zensus does not have"},
	{core.ThrottledOp, "of request throttling, which is off in ZooKeeper and which Zensus does not have"},
}

// RequiredCodes are the codes that both servers must have sent in a run.
var RequiredCodes = []core.Code{
	core.OK, core.RuntimeInconsistency, core.MarshallingError, core.Unimplemented, core.BadArguments, core.NoNode, core.NoAuth,
	core.BadVersion, core.NoChildrenForEphemerals, core.NodeExists, core.NotEmpty, core.InvalidACL, core.AuthFailed, core.NoWatcher,
	core.ReconfigDisabled, core.QuotaExceeded,
}

// RequiredOps are the operations that both servers must have answered, and with
// which codes; a code within a multi counts for the multi.
var RequiredOps = map[wire.OpCode][]core.Code{
	wire.OpCreate: {
		core.OK, core.MarshallingError, core.BadArguments, core.NoNode, core.NoAuth, core.NoChildrenForEphemerals, core.NodeExists,
		core.InvalidACL,
	},
	wire.OpDelete:  {core.OK, core.MarshallingError, core.BadArguments, core.NoNode, core.NoAuth, core.BadVersion, core.NotEmpty},
	wire.OpExists:  {core.OK, core.MarshallingError, core.BadArguments, core.NoNode},
	wire.OpGetData: {core.OK, core.MarshallingError, core.NoNode, core.NoAuth},
	wire.OpSetData: {core.OK, core.MarshallingError, core.BadArguments, core.NoNode, core.NoAuth, core.BadVersion},
	wire.OpGetACL:  {core.OK, core.MarshallingError, core.NoNode, core.NoAuth},
	wire.OpSetACL: {
		core.OK, core.MarshallingError, core.BadArguments, core.NoNode, core.NoAuth, core.BadVersion,
		core.InvalidACL,
	},
	wire.OpGetChildren:  {core.OK, core.MarshallingError, core.NoNode, core.NoAuth},
	wire.OpSync:         {core.OK, core.MarshallingError},
	wire.OpPing:         {core.OK},
	wire.OpGetChildren2: {core.OK, core.MarshallingError, core.NoNode, core.NoAuth},
	wire.OpMulti: {
		core.OK, core.MarshallingError, core.RuntimeInconsistency, core.BadArguments, core.NoNode, core.NoAuth, core.BadVersion,
		core.NodeExists, core.InvalidACL,
	},
	wire.OpCreate2: {
		core.OK, core.MarshallingError, core.BadArguments, core.NoNode, core.NoAuth, core.NoChildrenForEphemerals, core.NodeExists,
		core.InvalidACL,
	},
	wire.OpReconfig:             {core.MarshallingError, core.Unimplemented, core.ReconfigDisabled},
	wire.OpCheckWatches:         {core.OK, core.MarshallingError, core.NoWatcher},
	wire.OpRemoveWatches:        {core.OK, core.MarshallingError, core.NoWatcher},
	wire.OpCreateContainer:      {core.OK, core.MarshallingError, core.BadArguments, core.NoNode, core.NodeExists, core.InvalidACL},
	wire.OpCreateTTL:            {core.OK, core.MarshallingError, core.BadArguments, core.NoNode, core.NodeExists, core.InvalidACL},
	wire.OpMultiRead:            {core.OK, core.MarshallingError, core.NoNode, core.NoAuth},
	wire.OpAuth:                 {core.OK, core.AuthFailed},
	wire.OpSetWatches:           {core.OK, core.MarshallingError},
	wire.OpSASL:                 {core.OK},
	wire.OpGetEphemerals:        {core.OK, core.MarshallingError},
	wire.OpGetAllChildrenNumber: {core.OK, core.MarshallingError, core.NoNode, core.NoAuth},
	wire.OpSetWatches2:          {core.OK, core.MarshallingError},
	wire.OpAddWatch:             {core.OK, core.MarshallingError},
	wire.OpWhoAmI:               {core.OK},
	wire.OpCloseSession:         {core.OK},
}

// DisputedOps are operations that ZooKeeper takes from clients, or answers in
// another way, and that Zensus does not know from them; only its answer is required.
var DisputedOps = map[wire.OpCode]core.Code{
	wire.OpDeleteContainer: core.Unimplemented,
	wire.OpCreateSession:   core.Unimplemented,
}

// Missing lists what a run should have met and has not, of one of the sides.
func (c *Coverage) Missing(side int) (missing []Cell) {
	has := func(op wire.OpCode, code core.Code) bool {
		for _, m := range []map[Cell]*[2]int{c.Cells, c.Sub} {
			if n := m[Cell{op, int32(code)}]; n != nil && n[side] > 0 {
				return true
			}
		}
		return false
	}
	for op, codes := range RequiredOps {
		for _, code := range codes {
			if !has(op, code) {
				missing = append(missing, Cell{op, int32(code)})
			}
		}
	}
	for _, code := range RequiredCodes {
		found := false
		for op := range RequiredOps {
			found = found || has(op, code)
		}
		if !found {
			missing = append(missing, Cell{wire.OpError, int32(code)})
		}
	}
	if side == 1 {
		for op, code := range DisputedOps {
			if !has(op, code) {
				missing = append(missing, Cell{op, int32(code)})
			}
		}
	}
	return missing
}
