package registry

import (
	"maps"
	"strconv"
	"time"
)

// Instance is one address at which a service can be reached.
type Instance struct {
	IP        string
	Port      int
	Cluster   string
	Weight    float64 // share of calls; only clients use it
	Enabled   bool    // false hides the instance from every query
	Healthy   bool
	Ephemeral bool // lives as long as the client that registered it
	Metadata  map[string]string

	// ID is what clients see as instanceId; empty for those of HTTP v2.
	ID string
}

// Key names the instance within its service.
func (i *Instance) Key() InstanceKey {
	return InstanceKey{Cluster: i.Cluster, IP: i.IP, Port: i.Port}
}

// Clone is a copy that shares nothing with i.
func (i Instance) Clone() Instance {
	i.Metadata = maps.Clone(i.Metadata)
	return i
}

// Equal reports whether both say the same about the same address.
func (i *Instance) Equal(o *Instance) bool {
	return i.Key() == o.Key() && i.Weight == o.Weight && i.Enabled == o.Enabled && i.Healthy == o.Healthy &&
		i.Ephemeral == o.Ephemeral && i.ID == o.ID && maps.Equal(i.Metadata, o.Metadata)
}

// The metadata keys by which a client changes how its instance is watched.
const (
	MetaBeatInterval  = "preserved.heart.beat.interval"
	MetaBeatTimeout   = "preserved.heart.beat.timeout"
	MetaDeleteTimeout = "preserved.ip.delete.timeout"
	MetaIDGenerator   = "preserved.instance.id.generator"
)

// What holds where an instance's metadata say nothing.
const (
	DefaultBeatInterval  = 5 * time.Second
	DefaultBeatTimeout   = 15 * time.Second
	DefaultDeleteTimeout = 30 * time.Second
)

// timeoutMax bounds what a client may ask for: a session that nobody touches
// must end some day.
const timeoutMax = 24 * time.Hour

// BeatInterval is how often a heartbeat is expected.
func (i *Instance) BeatInterval() time.Duration {
	return i.duration(MetaBeatInterval, DefaultBeatInterval)
}

// BeatTimeout is the silence after which the instance counts as unhealthy.
func (i *Instance) BeatTimeout() time.Duration {
	return i.duration(MetaBeatTimeout, DefaultBeatTimeout)
}

// DeleteTimeout is the silence after which the instance is removed.
func (i *Instance) DeleteTimeout() time.Duration {
	return i.duration(MetaDeleteTimeout, DefaultDeleteTimeout)
}

func (i *Instance) duration(key string, otherwise time.Duration) time.Duration {
	text := i.Metadata[key]
	if text == "" { // as of nearly all, whose beats are looked at twice a second
		return otherwise
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 {
		return otherwise
	}
	if ms > timeoutMax.Milliseconds() {
		return timeoutMax
	}
	return time.Duration(ms) * time.Millisecond
}

// IDGenerator is the name of the generator that made the instance's id; empty
// where the metadata are there and do not name one.
func (i *Instance) IDGenerator() string {
	if len(i.Metadata) == 0 {
		return "simple"
	}
	return i.Metadata[MetaIDGenerator]
}

// SimpleID is the id that an instance gets unless its client gave it one:
// ip#port#cluster#service. cluster and service are as the client wrote them: a
// blank cluster stays blank, as Nacos has it.
func SimpleID(i *Instance, cluster, service string) string {
	return i.IP + "#" + strconv.Itoa(i.Port) + "#" + cluster + "#" + service
}
