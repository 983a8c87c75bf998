package pool

import (
	"encoding/binary"

	"github.com/zensus-io/zensus/core"
)

// Behind the data of an ephemeral znode stand what the data was (1 byte), the id of
// the session that the znode is of (8) and a mark (4).
const (
	sealMark  = 0x7a65a551
	sealBytes = 13

	sealedNil  = 0
	sealedData = 1
)

// seal is the data of a znode of a session.
func seal(data []byte, id core.SessionID) []byte {
	kind := byte(sealedData)
	if data == nil {
		kind = sealedNil
	}
	b := make([]byte, 0, len(data)+sealBytes)
	b = append(append(b, data...), kind)
	b = binary.BigEndian.AppendUint64(b, uint64(id))
	return binary.BigEndian.AppendUint32(b, sealMark)
}

// unseal takes sealed data apart. What is not sealed is not ok.
func unseal(sealed []byte) (data []byte, id core.SessionID, ok bool) {
	n := len(sealed) - sealBytes
	if n < 0 || binary.BigEndian.Uint32(sealed[n+9:]) != sealMark || sealed[n] > sealedData {
		return nil, 0, false
	}
	if sealed[n] == sealedData {
		data = sealed[:n:n]
	}
	return data, core.SessionID(binary.BigEndian.Uint64(sealed[n+1:])), true
}

// open makes what was read of a znode what its session wrote.
func open(sealed []byte, st *core.Stat) []byte {
	if st.EphemeralOwner == 0 {
		return sealed
	}
	data, id, ok := unseal(sealed)
	if !ok {
		return sealed // of somebody else's
	}
	shown(st, id)
	return data
}

// shown makes the Stat of a sealed znode that of what is in it.
func shown(st *core.Stat, id core.SessionID) {
	if st.EphemeralOwner != 0 {
		st.EphemeralOwner = id
		st.DataLength -= sealBytes
	}
}

// ours is an ACL as the ensemble is to hold it: for the nodes, who the connection
// has shown to be.
func ours(acl []core.ACL) []core.ACL {
	var made []core.ACL
	for i, a := range acl {
		if a.Scheme != core.NodeScheme {
			continue
		}
		if made == nil {
			made = append([]core.ACL(nil), acl...)
		}
		made[i] = core.ACL{Perms: a.Perms, Scheme: "auth"}
	}
	if made == nil {
		return acl
	}
	return made
}

// oursOp is an operation with its ACL likewise.
func oursOp(op core.Op) core.Op {
	if create, ok := op.(core.CreateOp); ok {
		create.Options.ACL = ours(create.Options.ACL)
		return create
	}
	return op
}

// completed gives the results of a Multi at zxid z what ensembles up to 3.8.1 leave
// out: the Stat of what was created, but for its times.
func completed(results []core.OpResult, ops []core.Op, z core.Zxid) {
	for n := range results {
		op, created := ops[n].(core.CreateOp)
		if st := &results[n].Stat; created && st.Czxid == 0 {
			*st = core.Stat{Czxid: z, Mzxid: z, Pzxid: z, DataLength: int32(len(op.Data))}
		}
	}
}
