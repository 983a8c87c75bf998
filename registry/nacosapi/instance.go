package nacosapi

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
)

// instanceForm is an instance with its defaults.
type instanceForm struct {
	addressForm
	Weight    float64  `form:"weight,default=1"`
	Enabled   bool     `form:"enabled,default=true" alias:"enable"`
	Healthy   bool     `form:"healthy,default=true"`
	Ephemeral *bool    `form:"ephemeral"` // absent: as a switch says
	Metadata  metadata `form:"metadata"`
}

// registration is the instance that a form describes.
func (a *API) registration(f *instanceForm) registry.Instance {
	k := f.instanceKey()
	i := registry.Instance{
		IP: k.IP, Port: k.Port, Cluster: k.Cluster, Weight: f.Weight, Enabled: f.Enabled, Healthy: f.Healthy,
		Ephemeral: a.svc.Switches().DefaultEphemeral, Metadata: f.Metadata,
	}
	if f.Ephemeral != nil {
		i.Ephemeral = *f.Ephemeral
	}
	return i
}

func (a *API) registerV1(ctx context.Context, in instanceForm) (string, error) {
	i := a.registration(&in)
	i.ID = newID(&i, i.Cluster, in.key().Grouped())
	return a.done(ctx, a.svc.Register(ctx, in.key(), i))
}

// registerV2 gives no id: Nacos has none for what comes over v2.
func (a *API) registerV2(ctx context.Context, in instanceForm) (string, error) {
	return a.done(ctx, a.svc.Register(ctx, in.key(), a.registration(&in)))
}

type deregisterForm struct {
	addressForm
	Ephemeral *bool `form:"ephemeral"`
}

func (a *API) deregister(ctx context.Context, in deregisterForm) (string, error) {
	ephemeral := true
	if in.Ephemeral != nil {
		ephemeral = *in.Ephemeral
	} else if svc, err := a.svc.Describe(ctx, in.key()); err == nil {
		// Nacos would answer ok and leave a persistent instance where it is.
		ephemeral = svc.Ephemeral
	}
	return a.done(ctx, a.svc.Deregister(ctx, in.key(), in.instanceKey(), ephemeral))
}

// replaceForm sets all that can be set: what is absent gets its default.
type replaceForm struct {
	addressForm
	Weight   float64  `form:"weight,default=1"`
	Enabled  bool     `form:"enabled,default=true" alias:"enable"`
	Metadata metadata `form:"metadata"`
}

func (a *API) replaceOverride(ctx context.Context, in replaceForm) (string, error) {
	return a.done(ctx, a.svc.Override(ctx, in.key(), in.instanceKey(), func(registry.Override) registry.Override {
		return registry.Override{Weight: &in.Weight, Enabled: &in.Enabled, Metadata: in.Metadata}
	}))
}

// patchForm sets what it names. What is not named stays as it was published; in
// Nacos a first change of metadata resets the weight.
type patchForm struct {
	addressForm
	Weight   *float64 `form:"weight"`
	Enabled  *bool    `form:"enabled" alias:"enable"`
	Metadata metadata `form:"metadata"`
}

func (a *API) patchOverride(ctx context.Context, in patchForm) (string, error) {
	if _, err := a.svc.Instance(ctx, in.key(), in.instanceKey()); err != nil {
		return "", refusal(err)
	}
	return a.done(ctx, a.svc.Override(ctx, in.key(), in.instanceKey(), func(o registry.Override) registry.Override {
		if in.Weight != nil {
			o.Weight = in.Weight
		}
		if in.Enabled != nil {
			o.Enabled = in.Enabled
		}
		if in.Metadata != nil {
			o.Metadata = in.Metadata
		}
		return o
	}))
}

// batchForm changes the metadata of some or all instances of a service.
type batchForm struct {
	serviceForm
	Metadata    metadata `form:"metadata" binding:"required"`
	Consistency string   `form:"consistencyType"`
	Instances   string   `form:"instances"`
}

// batchItem names an instance.
type batchItem struct {
	IP          string      `json:"ip"`
	Port        loose[int]  `json:"port"`
	ClusterName string      `json:"clusterName"`
	Ephemeral   loose[bool] `json:"ephemeral"`
}

// loose is a value of JSON that may also be written as a text, "80" for 80, as Nacos's reader
// takes it and its examples have it. A blank text is null.
type loose[T any] struct{ value *T }

// UnmarshalJSON reads either form.
func (l *loose[T]) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		b = []byte(cmp.Or(text, "null"))
	}
	return json.Unmarshal(b, &l.value)
}

// or is the value, or what it is where there is none.
func (l loose[T]) or(none T) T {
	if l.value == nil {
		return none
	}
	return *l.value
}

type updated struct {
	Updated []string `json:"updated"`
}

func (a *API) mergeMetadata(ctx context.Context, in batchForm) (*updated, error) {
	return a.changeMetadata(ctx, &in, func(m map[string]string) { maps.Copy(m, in.Metadata) })
}

// removeMetadata takes keys back that were set here. Published ones stay.
func (a *API) removeMetadata(ctx context.Context, in batchForm) (*updated, error) {
	return a.changeMetadata(ctx, &in, func(m map[string]string) {
		for k := range in.Metadata {
			delete(m, k)
		}
	})
}

func (a *API) changeMetadata(ctx context.Context, in *batchForm, change func(map[string]string)) (*updated, error) {
	all, err := a.svc.Instances(ctx, in.key())
	if err != nil {
		return nil, refusal(err)
	}
	var items []batchItem
	if in.Instances != "" {
		if err := json.Unmarshal([]byte(in.Instances), &items); err != nil {
			return nil, wire.Refuse(wire.ParameterInvalid, "Param 'instances' is illegal, it is no list of instances.")
		}
	}
	out := &updated{Updated: []string{}}
	for n := range all {
		i := &all[n]
		if !in.wants(i, items) {
			continue
		}
		err := a.svc.Override(ctx, in.key(), i.Key(), func(o registry.Override) registry.Override {
			o.Metadata = maps.Clone(o.Metadata)
			if o.Metadata == nil {
				o.Metadata = make(map[string]string)
			}
			change(o.Metadata)
			return o
		})
		if err != nil && len(out.Updated) > 0 {
			break // what was done stands, and is told: the others are not on the list
		}
		if err != nil {
			return nil, refusal(err)
		}
		out.Updated = append(out.Updated, i.IP+":"+strconv.Itoa(i.Port)+":unknown:"+i.Cluster+":"+kind(i.Ephemeral))
	}
	a.mark(ctx)
	return out, nil
}

func kind(ephemeral bool) string {
	if ephemeral {
		return "ephemeral"
	}
	return "persist"
}

func (f *batchForm) wants(i *registry.Instance, items []batchItem) bool {
	switch {
	case f.Consistency == "ephemeral" && !i.Ephemeral, strings.HasPrefix(f.Consistency, "persist") && i.Ephemeral:
		return false
	case len(items) == 0:
		return true
	}
	for _, item := range items {
		cluster := item.ClusterName
		if cluster == "" {
			cluster = registry.DefaultCluster
		}
		if item.IP == i.IP && item.Port.or(0) == i.Port && cluster == i.Cluster && item.Ephemeral.or(i.Ephemeral) == i.Ephemeral {
			return true
		}
	}
	return false
}

// detail is one instance, as both versions show it.
type detail struct {
	Service     string            `json:"service,omitempty"`     // v1
	ServiceName string            `json:"serviceName,omitempty"` // v2
	IP          string            `json:"ip"`
	Port        int               `json:"port"`
	ClusterName string            `json:"clusterName"`
	Weight      float64           `json:"weight"`
	Healthy     bool              `json:"healthy"`
	InstanceID  *string           `json:"instanceId"`
	Metadata    map[string]string `json:"metadata"`
}

func (a *API) detail(ctx context.Context, in *addressForm) (*detail, error) {
	i, err := a.svc.Instance(ctx, in.key(), in.instanceKey())
	if err != nil {
		return nil, refusal(err)
	}
	a.mark(ctx)
	d := &detail{IP: i.IP, Port: i.Port, ClusterName: i.Cluster, Weight: i.Weight, Healthy: i.Healthy, Metadata: i.Metadata}
	if d.Metadata == nil {
		d.Metadata = map[string]string{}
	}
	if i.ID != "" {
		d.InstanceID = &i.ID
	}
	return d, nil
}

func (a *API) detailV1(ctx context.Context, in addressForm) (*detail, error) {
	d, err := a.detail(ctx, &in)
	if err == nil {
		d.Service = in.key().Grouped()
	}
	return d, err
}

func (a *API) detailV2(ctx context.Context, in addressForm) (*detail, error) {
	d, err := a.detail(ctx, &in)
	if err == nil {
		d.ServiceName = in.key().Grouped()
	}
	return d, err
}

// listForm asks for the list of a service. Clusters is v1's name, ClusterName v2's.
type listForm struct {
	serviceForm
	Clusters    string `form:"clusters" alias:"clusterName"`
	HealthyOnly bool   `form:"healthyOnly"`
}

func (a *API) list(ctx context.Context, in *listForm) (json.RawMessage, error) {
	k := in.key()
	if err := k.Validate(); err != nil {
		return nil, refusal(err)
	}
	if err := registry.ValidateClusterList(in.Clusters); err != nil {
		return nil, refusal(err)
	}
	v, err := a.svc.Query(ctx, k, registry.Filter{Clusters: registry.ParseClusters(in.Clusters), HealthyOnly: in.HealthyOnly})
	if err != nil {
		return nil, refusal(err)
	}
	a.markList(ctx, v)
	return v.Memo("http/"+in.Clusters, func() []byte {
		return appendInfo(make([]byte, 0, v.InfoBytes()+len(in.Clusters)), v, groupedName, in.Clusters)
	}), nil
}

// listFormV1 is listForm, by v1's name alone.
type listFormV1 struct {
	serviceForm
	Clusters    string `form:"clusters"`
	HealthyOnly bool   `form:"healthyOnly"`
}

func (a *API) listV1(ctx context.Context, in listFormV1) (*rest.Raw, error) {
	b, err := a.list(ctx, (*listForm)(&in))
	if err != nil {
		return nil, err
	}
	r := raw(b)
	r.Shared = true
	return r, nil
}

func (a *API) listV2(ctx context.Context, in listForm) (*rest.Raw, error) {
	b, err := a.list(ctx, &in)
	if err != nil {
		return nil, err
	}
	answer := append(make([]byte, 0, len(b)+48), `{"code":0,"message":"success","data":`...)
	answer = append(answer, b...)
	return raw(append(answer, '}')), nil
}

// beatForm is a heartbeat: a full one describes the instance in Beat, a light
// one only names it.
type beatForm struct {
	serviceForm
	Beat    string `form:"beat"`
	IP      string `form:"ip"`
	Port    int    `form:"port"`
	Cluster string `form:"clusterName" alias:"cluster"`
}

// beatInfo is what a full beat says. The members that describe the load of the
// client's machine are not used.
type beatInfo struct {
	IP          string            `json:"ip"`
	Port        int               `json:"port"`
	Cluster     string            `json:"cluster"`
	ServiceName string            `json:"serviceName"`
	Weight      *float64          `json:"weight"`
	Metadata    map[string]string `json:"metadata"`
}

type beatAnswer struct {
	ClientBeatInterval int64 `json:"clientBeatInterval"`
	Code               int   `json:"code"`
	LightBeatEnabled   bool  `json:"lightBeatEnabled"`
}

// The codes of a beat's answer.
const (
	beatOK      = 10200
	beatUnknown = 20404
)

func (a *API) beat(ctx context.Context, in beatForm) (*beatAnswer, error) {
	k := in.key()
	var full *registry.Instance
	if in.Beat != "" {
		var info beatInfo
		if err := json.Unmarshal([]byte(in.Beat), &info); err != nil {
			return nil, wire.Refuse(wire.ParameterInvalid, "Param 'beat' is illegal, it is no JSON.")
		}
		info.Cluster = cmp.Or(info.Cluster, in.Cluster)
		in.IP, in.Port, in.Cluster = info.IP, info.Port, info.Cluster
		full = info.instance()
		full.ID = newID(full, full.Cluster, k.Grouped())
	}
	s := a.svc.Switches()
	unknown := beatAnswer{ClientBeatInterval: s.BeatMillis, Code: beatUnknown, LightBeatEnabled: s.LightBeats}
	if in.IP == "" && full == nil {
		return &unknown, nil
	}
	address := addressForm{IP: in.IP, Port: in.Port, Cluster: in.Cluster}
	i, err := a.svc.Beat(ctx, k, address.instanceKey(), full)
	switch kind := refusal(err); {
	case err == nil:
	case wire.AsError(kind).Kind == wire.NotFound:
		return &unknown, nil
	default:
		return nil, kind
	}
	a.mark(ctx)
	answer := &beatAnswer{ClientBeatInterval: s.BeatMillis, Code: beatOK, LightBeatEnabled: s.LightBeats}
	if i.Metadata[registry.MetaBeatInterval] != "" {
		answer.ClientBeatInterval = i.BeatInterval().Milliseconds()
	}
	return answer, nil
}

func (b *beatInfo) instance() *registry.Instance {
	i := &registry.Instance{
		IP: b.IP, Port: b.Port, Cluster: registry.DefaultCluster, Weight: 1, Enabled: true, Healthy: true,
		Ephemeral: true, Metadata: b.Metadata,
	}
	if b.Cluster != "" {
		i.Cluster = b.Cluster
	}
	if b.Weight != nil {
		i.Weight = *b.Weight
	}
	return i
}

type statusesForm struct {
	Key string `form:"key" uri:"key" binding:"required"`
}

// service is the key's: namespace##group@@service, or without a namespace. One that has no
// group is none.
func (f *statusesForm) service() (k registry.ServiceKey, ok bool) {
	namespace, grouped, named := strings.Cut(f.Key, "##")
	if !named {
		namespace, grouped = "", f.Key
	}
	return registry.NewServiceKey(namespace, "", grouped), strings.Contains(grouped, "@@")
}

func (a *API) mayReadStatuses() rest.HandlerFunc {
	return rest.Needs(a.guard, func(in statusesForm) auth.Need {
		k, ok := in.service()
		if !ok {
			k.Group, k.Name = "", "" // which is refused to whoever may read everything
		}
		return auth.Need{Action: auth.Read, Resource: auth.ServiceResource(k.Namespace, k.Group, k.Name)}
	})
}

type statuses struct {
	IPs []string `json:"ips"`
}

// statuses is what servers of 1.x ask each other: ip:port_healthy.
func (a *API) statuses(ctx context.Context, in statusesForm) (*statuses, error) {
	k, ok := in.service()
	if !ok {
		return nil, wire.Refuse(wire.ParameterInvalid, "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'")
	}
	all, err := a.svc.Instances(ctx, k)
	if err != nil {
		return nil, refusal(err)
	}
	out := &statuses{IPs: []string{}}
	for n := range all {
		out.IPs = append(out.IPs, all[n].IP+":"+strconv.Itoa(all[n].Port)+"_"+strconv.FormatBool(all[n].Healthy))
	}
	return out, nil
}

type healthForm struct {
	Healthy bool `form:"healthy" alias:"valid" binding:"required"`
	addressForm
}

func (a *API) setHealth(ctx context.Context, in healthForm) (string, error) {
	return a.done(ctx, a.svc.SetHealth(ctx, in.key(), in.instanceKey(), in.Healthy))
}

// healthServer is how 1.x tells that a server lives.
func (a *API) healthServer(context.Context, rest.None) (*rest.Raw, error) {
	if a.ready() {
		return raw([]byte(`{"msg":"Hello! I am Zensus and healthy!"}`)), nil
	}
	return unavailable("server is STARTINGnow, please try again later!"), nil
}

func (a *API) ready() bool {
	select {
	case <-a.svc.Ready():
		return true
	default:
		return false
	}
}
