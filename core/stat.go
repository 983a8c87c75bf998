package core

// Stat is what the engine keeps about a znode beside its data, as clients see it.
type Stat struct {
	Czxid          Zxid      // of the transaction that created the znode
	Mzxid          Zxid      // of the last setData, or of the creation
	Ctime          int64     // wall time of Czxid in milliseconds since 1970
	Mtime          int64     // wall time of Mzxid, likewise
	Version        int32     // number of setData
	Cversion       int32     // children created plus children deleted
	Aversion       int32     // number of setACL
	EphemeralOwner SessionID // owning session of an ephemeral znode, else 0
	DataLength     int32     // bytes; 0 for null data
	NumChildren    int32
	Pzxid          Zxid // of the last creation or deletion of a child
}

// CreateMode says what kind of znode to create. The values are those of the
// protocol's flags.
type CreateMode int32

// The modes of the protocol.
const (
	Persistent              CreateMode = 0
	Ephemeral               CreateMode = 1
	PersistentSequential    CreateMode = 2
	EphemeralSequential     CreateMode = 3
	Container               CreateMode = 4
	PersistentTTL           CreateMode = 5
	PersistentSequentialTTL CreateMode = 6
)

// Valid reports whether m is one of the modes above.
func (m CreateMode) Valid() bool { return m >= Persistent && m <= PersistentSequentialTTL }

// IsEphemeral reports whether the znode ends with its session.
func (m CreateMode) IsEphemeral() bool { return m == Ephemeral || m == EphemeralSequential }

// IsSequential reports whether the parent's counter is appended to the name.
func (m CreateMode) IsSequential() bool {
	return m == PersistentSequential || m == EphemeralSequential || m == PersistentSequentialTTL
}

// IsTTL reports whether the znode has a time to live.
func (m CreateMode) IsTTL() bool { return m == PersistentTTL || m == PersistentSequentialTTL }

// MaxTTLMillis is the longest time to live: 40 bits of milliseconds, about 34 years.
const MaxTTLMillis = 1<<40 - 1
