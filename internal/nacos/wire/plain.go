package wire

import "github.com/zensus-io/zensus/internal/plain"

// plainReader is a Body that can read JSON as clients usually write it without
// encoding/json.
type plainReader interface {
	Body
	// readPlain reads a body into one that is zero, and reports whether it could. If not,
	// nothing has changed, and encoding/json says what the body is, or what is wrong.
	readPlain(body []byte) bool
}

// text reads a string. What most of them say takes no memory.
func text(p *plain.Reader, s *string) {
	if p.Null() {
		return
	}
	switch b := p.Bytes(); string(b) {
	case "public":
		*s = "public"
	case "DEFAULT_GROUP":
		*s = "DEFAULT_GROUP"
	case "DEFAULT":
		*s = "DEFAULT"
	case RegisterInstance:
		*s = RegisterInstance
	case DeregisterInstance:
		*s = DeregisterInstance
	default:
		*s = string(b)
	}
}

// readPlain implements plainReader.
func (r *InstanceRequest) readPlain(body []byte) bool {
	p := plain.New(body)
	var read InstanceRequest
	instances := 0
	p.Object()
	for n := 0; p.Member(n); n++ {
		switch string(p.Key) {
		case "namespace":
			text(&p, &read.Namespace)
		case "serviceName":
			text(&p, &read.ServiceName)
		case "groupName":
			text(&p, &read.GroupName)
		case "type":
			text(&p, &read.Type)
		case "instance":
			instances++
			read.Instance.readFrom(&p)
		case "requestId":
			text(&p, &read.RequestID)
		case "headers", "module":
			p.Skip()
		default:
			p.GiveUp()
		}
	}
	if !p.Over() || instances > 1 {
		return false
	}
	*r = read
	return true
}

// readFrom is UnmarshalJSON.
func (i *Instance) readFrom(p *plain.Reader) {
	if p.Null() { // UnmarshalJSON hears of it
		p.GiveUp()
	}
	read := NewInstance()
	p.Object()
	for n := 0; p.Member(n); n++ {
		switch string(p.Key) {
		case "instanceId":
			text(p, &read.InstanceID)
		case "ip":
			text(p, &read.IP)
		case "port":
			p.Int(&read.Port)
		case "weight":
			p.Float(&read.Weight)
		case "healthy":
			p.Bool(&read.Healthy)
		case "enabled":
			p.Bool(&read.Enabled)
		case "ephemeral":
			p.Bool(&read.Ephemeral)
		case "clusterName":
			text(p, &read.ClusterName)
		case "serviceName":
			text(p, &read.ServiceName)
		case "metadata":
			p.Texts(&read.Metadata)
		case "instanceHeartBeatInterval", "instanceHeartBeatTimeOut", "ipDeleteTimeout", "instanceIdGenerator":
			p.Skip()
		default:
			p.GiveUp()
		}
	}
	*i = read
}
