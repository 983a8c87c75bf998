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

// readFrom reads the member at which p is, if it is one of k's.
func (k *ConfigKey) readFrom(p *plain.Reader) (known bool) {
	switch string(p.Key) {
	case "dataId":
		text(p, &k.DataID)
	case "group":
		text(p, &k.Group)
	case "tenant":
		text(p, &k.Tenant)
	default:
		return false
	}
	return true
}

// readPlain implements plainReader.
func (r *ConfigQueryRequest) readPlain(body []byte) bool {
	p := plain.New(body)
	var read ConfigQueryRequest
	p.Object()
	for n := 0; p.Member(n); n++ {
		switch string(p.Key) {
		case "tag":
			text(&p, &read.Tag)
		case "requestId":
			text(&p, &read.RequestID)
		case "headers", "module", "notify":
			p.Skip()
		default:
			if !read.readFrom(&p) {
				p.GiveUp()
			}
		}
	}
	if !p.Over() {
		return false
	}
	*r = read
	return true
}

// readPlain implements plainReader.
func (r *ConfigPublishRequest) readPlain(body []byte) bool {
	p := plain.New(body)
	var read ConfigPublishRequest
	p.Object()
	for n := 0; p.Member(n); n++ {
		switch string(p.Key) {
		case "content":
			p.Content(&read.Content)
		case "casMd5":
			text(&p, &read.CASMD5)
		case "additionMap":
			p.Texts(&read.AdditionMap)
		case "requestId":
			text(&p, &read.RequestID)
		case "headers", "module":
			p.Skip()
		default:
			if !read.readFrom(&p) {
				p.GiveUp()
			}
		}
	}
	if !p.Over() {
		return false
	}
	*r = read
	return true
}

// readAck reads what all acknowledgements share, as clients usually write it. No method:
// every reply would have it.
func readAck(body []byte) (read Response, ok bool) {
	p := plain.New(body)
	p.Object()
	for n := 0; p.Member(n); n++ {
		switch string(p.Key) {
		case "resultCode":
			p.Int(&read.ResultCode)
		case "errorCode":
			p.Int(&read.ErrorCode)
		case "success":
			p.Bool(&read.Success)
		case "message":
			textOrNull(&p, &read.Message)
		case "requestId":
			textOrNull(&p, &read.RequestID)
		case "headers", "module":
			p.Skip()
		default:
			p.GiveUp()
		}
	}
	return read, p.Over()
}

// textOrNull reads a string, or null as an empty one.
func textOrNull(p *plain.Reader, s *string) {
	*s = ""
	text(p, s)
}
