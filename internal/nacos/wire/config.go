package wire

import (
	"slices"
	"strconv"
)

// ConfigKey is what all config requests share. The tenant is the namespace as
// the client wrote it: blank, absent and "public" mean the same one, but what
// goes back to a listener must be spelled as the listener spelled it.
type ConfigKey struct {
	DataID string `json:"dataId"`
	Group  string `json:"group"`
	Tenant string `json:"tenant"`
}

// Config is k; it gives access control one look at every config request.
func (k *ConfigKey) Config() *ConfigKey { return k }

// ConfigQueryRequest asks for a config. Header "notify" is "true" when a push
// caused it.
type ConfigQueryRequest struct {
	Request
	ConfigKey
	Tag string `json:"tag,omitempty"`
}

// ConfigQueryResponse answers it.
type ConfigQueryResponse struct {
	Response
	Content          string `json:"content"`
	EncryptedDataKey string `json:"encryptedDataKey"`
	ContentType      string `json:"contentType"` // the config's type, such as yaml
	MD5              string `json:"md5"`
	LastModified     int64  `json:"lastModified"` // milliseconds since 1970
	Beta             bool   `json:"beta"`
	// Tag is left out when it is empty. The Go and Python clients decode it as a
	// bool, so that a string here fails their every query: set it for Java only.
	Tag string `json:"tag,omitempty"`
}

// Wrap writes it without encoding/json.
func (r *ConfigQueryResponse) Wrap(b []byte) (head, inner []byte) {
	b = slices.Grow(b, len(r.Content)+len(r.Content)/16+256)
	b = r.AppendMembers(append(b, '{'))
	b = appendString(append(b, `,"content":`...), r.Content)
	return r.appendRest(b), nil
}

// appendRest appends the members behind the content.
func (r *ConfigQueryResponse) appendRest(b []byte) []byte {
	b = appendString(append(b, `,"encryptedDataKey":`...), r.EncryptedDataKey)
	b = appendString(append(b, `,"contentType":`...), r.ContentType)
	b = appendString(append(b, `,"md5":`...), r.MD5)
	b = strconv.AppendInt(append(b, `,"lastModified":`...), r.LastModified, 10)
	b = strconv.AppendBool(append(b, `,"beta":`...), r.Beta)
	if r.Tag != "" {
		b = appendString(append(b, `,"tag":`...), r.Tag)
	}
	return b
}

// Weigh is how much of its JSON is content.
func (r *ConfigQueryResponse) Weigh() int64 { return QuotedBytes(r.Content) }

// Quoted is a ConfigQueryResponse whose content is encoded already, as by AppendQuoted, and
// may be under way to others too. It comes last then.
type Quoted struct {
	*ConfigQueryResponse
	Content []byte
}

// Wrap writes it without its content.
func (q Quoted) Wrap(b []byte) (head, inner []byte) {
	short := *q.ConfigQueryResponse
	short.Content = ""
	b = short.appendRest(short.AppendMembers(append(b, '{')))
	return append(b, `,"content":`...), q.Content
}

// Keys of ConfigPublishRequest.AdditionMap. A null or blank value means absent.
const (
	AdditionTag              = "tag"
	AdditionAppName          = "appName"
	AdditionBetaIPs          = "betaIps"
	AdditionType             = "type"
	AdditionSrcUser          = "src_user"
	AdditionEncryptedDataKey = "encryptedDataKey"
	AdditionConfigTags       = "config_tags"
	AdditionDesc             = "desc"
	AdditionUse              = "use"
	AdditionEffect           = "effect"
	AdditionSchema           = "schema"
)

// ConfigPublishRequest publishes a config.
type ConfigPublishRequest struct {
	Request
	ConfigKey
	Content     string            `json:"content"`
	CASMD5      string            `json:"casMd5,omitempty"`
	AdditionMap map[string]string `json:"additionMap,omitempty"`
}

// ConfigPublishResponse answers it.
type ConfigPublishResponse struct{ Response }

// Wrap writes it without encoding/json.
func (r *ConfigPublishResponse) Wrap(b []byte) (head, inner []byte) {
	return r.AppendMembers(append(b, '{')), nil
}

// ConfigRemoveRequest removes a config, or the gray version that Tag names.
type ConfigRemoveRequest struct {
	Request
	ConfigKey
	Tag string `json:"tag,omitempty"`
}

// ConfigRemoveResponse answers it.
type ConfigRemoveResponse struct{ Response }

// ConfigBatchListenRequest adds to what this connection listens to, or removes
// from it.
type ConfigBatchListenRequest struct {
	Request
	Listen               bool           `json:"listen"`
	ConfigListenContexts ListenContexts `json:"configListenContexts"`
}

// ListenContext is one config that a client listens to, and the md5 it has.
type ListenContext struct {
	Group string `json:"group"`
	// MD5 is nil where the member was null or absent; that equals no config, not
	// even a missing one, whose md5 is "".
	MD5    *string `json:"md5"`
	DataID string  `json:"dataId"`
	Tenant string  `json:"tenant"`
}

// ConfigChangeBatchListenResponse names those whose md5 differs now.
type ConfigChangeBatchListenResponse struct {
	Response
	ChangedConfigs ChangedConfigs `json:"changedConfigs"`
}

// ChangedConfigs is written as [] when it is nil.
type ChangedConfigs []ConfigContext

// ConfigContext names a config, with the tenant as its listener spelled it.
type ConfigContext struct {
	Group  string `json:"group"`
	DataID string `json:"dataId"`
	Tenant string `json:"tenant"`
}

// MarshalJSON writes an empty list for nil.
func (c ChangedConfigs) MarshalJSON() ([]byte, error) {
	if c == nil {
		return []byte("[]"), nil
	}
	return marshal([]ConfigContext(c))
}

// ConfigChangeNotifyRequest pushes that a config changed, no more. Its
// acknowledgement has type NotifySubscriberResponse in nacos-sdk-go.
type ConfigChangeNotifyRequest struct {
	Request
	ConfigKey
}

// ConfigChangeNotifyResponse acknowledges it.
type ConfigChangeNotifyResponse struct{ Response }

// ClientConfigMetricRequest asks a Java client what it has cached.
type ClientConfigMetricRequest struct {
	Request
	MetricsKeys []MetricsKey `json:"metricsKeys"`
}

// MetricsKey names one cached config; Type is cacheData or snapshotData, Key a
// group key.
type MetricsKey struct {
	Type string `json:"type"`
	Key  string `json:"key"`
}

// ClientConfigMetricResponse answers it.
type ClientConfigMetricResponse struct {
	Response
	Metrics map[string]any `json:"metrics"`
}

func (*ConfigQueryRequest) PayloadType() string       { return "ConfigQueryRequest" }
func (*ConfigQueryResponse) PayloadType() string      { return "ConfigQueryResponse" }
func (*ConfigPublishRequest) PayloadType() string     { return "ConfigPublishRequest" }
func (*ConfigPublishResponse) PayloadType() string    { return "ConfigPublishResponse" }
func (*ConfigRemoveRequest) PayloadType() string      { return "ConfigRemoveRequest" }
func (*ConfigRemoveResponse) PayloadType() string     { return "ConfigRemoveResponse" }
func (*ConfigBatchListenRequest) PayloadType() string { return "ConfigBatchListenRequest" }
func (*ConfigChangeBatchListenResponse) PayloadType() string {
	return "ConfigChangeBatchListenResponse"
}
func (*ConfigChangeNotifyRequest) PayloadType() string  { return "ConfigChangeNotifyRequest" }
func (*ConfigChangeNotifyResponse) PayloadType() string { return "ConfigChangeNotifyResponse" }
func (*ClientConfigMetricRequest) PayloadType() string  { return "ClientConfigMetricRequest" }
func (*ClientConfigMetricResponse) PayloadType() string { return "ClientConfigMetricResponse" }
