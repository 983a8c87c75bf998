package nacosapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

// selector travels as JSON in a parameter and in answers.
type selector struct {
	Type        string   `json:"type"`
	ContextType string   `json:"contextType,omitempty"`
	Expression  string   `json:"expression,omitempty"`
	Labels      []string `json:"labels,omitzero"`
}

// UnmarshalText reads the parameter.
func (s *selector) UnmarshalText(text []byte) error {
	type plain selector
	return json.Unmarshal(text, (*plain)(s))
}

func selectorOf(s registry.Selector) selector {
	if s.Type == "" || s.Type == "none" {
		return selector{Type: "none", ContextType: "NONE"}
	}
	return selector{Type: s.Type, ContextType: "CMDB", Expression: s.Expression, Labels: labelsOf(s.Expression)}
}

// labelsOf are the labels x of an expression CONSUMER.label.x = PROVIDER.label.x & ...
func labelsOf(expression string) []string {
	labels, named := []string{}, map[string]bool{}
	for term := range strings.SplitSeq(expression, "&") {
		_, label, ok := strings.Cut(term, "PROVIDER.label.")
		if label = strings.TrimSpace(label); ok && !named[label] {
			labels = append(labels, label)
			named[label] = true
		}
	}
	return labels
}

// settingsForm is what can be set on a service.
type settingsForm struct {
	serviceForm
	Threshold float64   `form:"protectThreshold"`
	Metadata  metadata  `form:"metadata"`
	Selector  *selector `form:"selector"`
}

// check refuses a selector of no known type, and one whose expression names no label.
func (f *settingsForm) check() error {
	if f.Selector != nil && f.Selector.Type != "none" && f.Selector.Type != "label" {
		return wire.Refuse(wire.SelectorError, "not match any type of selector!")
	}
	if f.Selector != nil && f.Selector.Expression != "" && len(labelsOf(f.Selector.Expression)) == 0 {
		return wire.Refuse(wire.SelectorError, "Selector parses failed: parse expression failed!")
	}
	return nil
}

func (f *settingsForm) apply(s *registry.Service) {
	s.ProtectThreshold = f.Threshold
	s.Metadata = f.Metadata
	s.Selector = registry.Selector{}
	if f.Selector != nil && f.Selector.Type != "none" {
		s.Selector = registry.Selector{Type: f.Selector.Type, Expression: f.Selector.Expression}
	}
}

func (a *API) create(ctx context.Context, in *settingsForm, ephemeral bool) (string, error) {
	if err := in.check(); err != nil {
		return "", err
	}
	svc := registry.Service{Key: in.key(), Ephemeral: ephemeral}
	in.apply(&svc)
	return a.done(ctx, a.svc.CreateService(ctx, svc))
}

// createServiceV1 makes a persistent service, as Nacos does: it refuses ephemeral
// instances from then on.
func (a *API) createServiceV1(ctx context.Context, in settingsForm) (string, error) {
	return a.create(ctx, &in, false)
}

type createFormV2 struct {
	settingsForm
	Ephemeral bool `form:"ephemeral"`
}

func (a *API) createServiceV2(ctx context.Context, in createFormV2) (string, error) {
	return a.create(ctx, &in.settingsForm, in.Ephemeral)
}

func (a *API) deleteService(ctx context.Context, in serviceForm) (string, error) {
	return a.done(ctx, a.svc.DeleteService(ctx, in.key()))
}

func (a *API) update(ctx context.Context, in *settingsForm) (string, error) {
	if err := in.check(); err != nil {
		return "", err
	}
	return a.done(ctx, a.svc.UpdateService(ctx, in.key(), func(s *registry.Service) error {
		in.apply(s)
		return nil
	}))
}

type updateFormV1 struct {
	settingsForm
	Required *float64 `form:"protectThreshold" binding:"required"`
}

func (a *API) updateServiceV1(ctx context.Context, in updateFormV1) (string, error) {
	return a.update(ctx, &in.settingsForm)
}

func (a *API) updateServiceV2(ctx context.Context, in settingsForm) (string, error) {
	return a.update(ctx, &in)
}

// checker is a health checker as Nacos writes it.
type checker struct {
	Type                 string  `json:"type,omitempty"`
	Path                 *string `json:"path,omitempty"`
	Headers              *string `json:"headers,omitempty"`
	ExpectedResponseCode *int    `json:"expectedResponseCode,omitempty"`
}

func checkerOf(c registry.Checker) checker {
	out := checker{Type: c.Type}
	if c.Type == registry.CheckHTTP {
		code := cmp.Or(c.ExpectedCode, 200)
		out.Path, out.Headers, out.ExpectedResponseCode = &c.Path, &c.Headers, &code
	}
	return out
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// clustersOf names the clusters of a service: those with instances and those
// with settings of their own.
func clustersOf(svc *registry.Service, instances []registry.Instance) []string {
	names := make(map[string]bool)
	for n := range instances {
		names[instances[n].Cluster] = true
	}
	for name := range svc.Clusters {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func (a *API) describe(ctx context.Context, k registry.ServiceKey) (registry.Service, []registry.Instance, error) {
	svc, err := a.svc.Describe(ctx, k)
	if err != nil {
		return svc, nil, refusal(err)
	}
	all, err := a.svc.Instances(ctx, k)
	a.mark(ctx)
	return svc, all, refusal(err)
}

type clusterV1 struct {
	Name          string            `json:"name"`
	HealthChecker checker           `json:"healthChecker"`
	Metadata      map[string]string `json:"metadata"`
}

type serviceV1 struct {
	NamespaceID      string            `json:"namespaceId"`
	GroupName        string            `json:"groupName"`
	Name             string            `json:"name"`
	ProtectThreshold float64           `json:"protectThreshold"`
	Metadata         map[string]string `json:"metadata"`
	Selector         selector          `json:"selector"`
	Clusters         []clusterV1       `json:"clusters"`
}

func (a *API) describeV1(ctx context.Context, in serviceForm) (*serviceV1, error) {
	svc, all, err := a.describe(ctx, in.key())
	if err != nil {
		return nil, err
	}
	out := &serviceV1{
		NamespaceID: svc.Key.Namespace, GroupName: svc.Key.Group, Name: svc.Key.Name, ProtectThreshold: svc.ProtectThreshold,
		Metadata: orEmpty(svc.Metadata), Selector: selectorOf(svc.Selector), Clusters: []clusterV1{},
	}
	for _, name := range clustersOf(&svc, all) {
		c := svc.ClusterSettings(name)
		out.Clusters = append(out.Clusters, clusterV1{Name: name, HealthChecker: checkerOf(c.Checker), Metadata: orEmpty(c.Metadata)})
	}
	return out, nil
}

type clusterV2 struct {
	ClusterName   string            `json:"clusterName"`
	HealthChecker checker           `json:"healthChecker"`
	Metadata      map[string]string `json:"metadata"`
	Hosts         []json.RawMessage `json:"hosts"` // null where one service is described
}

type serviceV2 struct {
	Namespace        string               `json:"namespace"`
	ServiceName      string               `json:"serviceName"`
	GroupName        string               `json:"groupName"`
	ClusterMap       map[string]clusterV2 `json:"clusterMap"`
	Metadata         map[string]string    `json:"metadata"`
	ProtectThreshold float64              `json:"protectThreshold"`
	Selector         selector             `json:"selector"`
	Ephemeral        bool                 `json:"ephemeral"`
}

func (a *API) describeV2(ctx context.Context, in serviceForm) (*serviceV2, error) {
	svc, all, err := a.describe(ctx, in.key())
	if err != nil {
		return nil, err
	}
	out := &serviceV2{
		Namespace: svc.Key.Namespace, ServiceName: svc.Key.Name, GroupName: svc.Key.Group, ClusterMap: map[string]clusterV2{},
		Metadata: orEmpty(svc.Metadata), ProtectThreshold: svc.ProtectThreshold, Selector: selectorOf(svc.Selector), Ephemeral: svc.Ephemeral,
	}
	for _, name := range clustersOf(&svc, all) {
		settings := svc.ClusterSettings(name)
		c := clusterV2{ClusterName: name, HealthChecker: checkerOf(settings.Checker), Metadata: orEmpty(settings.Metadata)}
		out.ClusterMap[name] = c
	}
	return out, nil
}

// pageForm names a page.
type pageForm struct {
	Namespace string `form:"namespaceId"`
	Group     string `form:"groupName"`
	PageNo    int    `form:"pageNo,default=1"`
	PageSize  int    `form:"pageSize,default=20"`
}

func (a *API) names(ctx context.Context, in *pageForm, sizeMax int) ([]string, int, error) {
	namespace, group := cmp.Or(in.Namespace, registry.DefaultNamespace), cmp.Or(in.Group, registry.DefaultGroup)
	names, total, err := a.svc.Names(ctx, namespace, group, in.PageNo, min(in.PageSize, sizeMax))
	if names == nil {
		names = []string{}
	}
	a.mark(ctx)
	return names, total, refusal(err)
}

type pageFormV1 struct {
	pageForm
	No   *int `form:"pageNo" binding:"required"`
	Size *int `form:"pageSize" binding:"required"`
}

type serviceListV1 struct {
	Count int      `json:"count"`
	Doms  []string `json:"doms"`
}

func (a *API) serviceListV1(ctx context.Context, in pageFormV1) (*serviceListV1, error) {
	names, total, err := a.names(ctx, &in.pageForm, pageMax)
	if err != nil {
		return nil, err
	}
	return &serviceListV1{Count: total, Doms: names}, nil
}

type serviceListV2 struct {
	Count    int      `json:"count"`
	Services []string `json:"services"`
}

// pageMaxV2 is Nacos's bound on the page size of v2.
const pageMaxV2 = 500

func (a *API) serviceListV2(ctx context.Context, in pageForm) (*serviceListV2, error) {
	names, total, err := a.names(ctx, &in, pageMaxV2)
	if err != nil {
		return nil, err
	}
	return &serviceListV2{Count: total, Services: names}, nil
}

type namesForm struct {
	Namespace string `form:"namespaceId"`
	Expr      string `form:"expr"`
}

type serviceNames struct {
	Services map[string][]string `json:"META-INF/services"` // so named in Nacos
	Count    int                 `json:"count"`
}

// exprBytesMax and exprSizeMax bound an expression, in bytes and in what it compiles to:
// each name in a namespace, of which there may be a hundred thousand, is matched with it.
const (
	exprBytesMax = 512
	exprSizeMax  = 500
)

// expression compiles a regular expression that a request brought.
func expression(text string) (*regexp.Regexp, error) {
	if len(text) > exprBytesMax {
		return nil, wire.Refuse(wire.ParameterInvalid, fmt.Sprintf("Param 'expr' is illegal, it is longer than %d bytes.", exprBytesMax))
	}
	illegal := wire.Refuse(wire.ParameterInvalid, "Param 'expr' is illegal, it is no regular expression.")
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, illegal
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, illegal
	}
	if len(prog.Inst) > exprSizeMax {
		return nil, wire.Refuse(wire.ParameterInvalid, "Param 'expr' is illegal, it is too large.")
	}
	expr, err := regexp.Compile(text)
	if err != nil {
		return nil, illegal
	}
	return expr, nil
}

// serviceNames finds services by a regular expression that their grouped names match,
// in one namespace or in all.
func (a *API) serviceNames(ctx context.Context, in namesForm) (*serviceNames, error) {
	expr, err := expression(in.Expr)
	if err != nil {
		return nil, err
	}
	namespaces := []string{in.Namespace}
	if in.Namespace == "" {
		if namespaces, err = a.svc.Namespaces(ctx); err != nil {
			return nil, refusal(err)
		}
		namespaces = slices.DeleteFunc(namespaces, func(name string) bool { return !mayRead(ctx, name) })
	}
	out := &serviceNames{Services: make(map[string][]string, len(namespaces))}
	for _, name := range namespaces {
		found, total, err := a.svc.Search(ctx, catalog.Query{Namespace: name, Pattern: expr.MatchString}, 1, pageMax)
		if err != nil {
			return nil, refusal(err)
		}
		names := make([]string, 0, len(found))
		for n := range found {
			names = append(names, found[n].Key.Grouped())
		}
		out.Services[name] = names
		out.Count += total
	}
	a.mark(ctx)
	return out, nil
}

// mayRead reports whether who asks may read a whole namespace, which the guard has seen
// only if it was named.
func mayRead(ctx context.Context, namespace string) bool {
	return rest.Allow(ctx, auth.Need{Action: auth.Read, Resource: auth.ServiceResource(namespace, "", "")}) == nil
}

func (a *API) selectorTypes(context.Context, rest.None) ([]string, error) {
	return []string{"label", "none"}, nil
}

type clusterForm struct {
	serviceForm
	Name            string   `form:"clusterName" binding:"required"`
	CheckPort       int      `form:"checkPort" binding:"required"`
	UseInstancePort bool     `form:"useInstancePort4Check" binding:"required"`
	HealthChecker   string   `form:"healthChecker" binding:"required"`
	Metadata        metadata `form:"metadata"`
}

// clusterFormV1 asks for the name of the cluster first.
type clusterFormV1 struct {
	Required string `form:"clusterName" binding:"required"`
	clusterForm
}

func (a *API) updateClusterV1(ctx context.Context, in clusterFormV1) (string, error) {
	ok, err := a.updateCluster(ctx, in.clusterForm)
	if e := wire.AsError(err); e != nil && e.Kind == wire.ServiceNotFound {
		err = wire.Refuse(wire.ServiceNotFound, "service not found:"+in.key().Grouped())
	}
	return ok, err
}

func (a *API) updateCluster(ctx context.Context, in clusterForm) (string, error) {
	var c checker
	if err := json.Unmarshal([]byte(in.HealthChecker), &c); err != nil {
		return "", wire.Refuse(wire.ParameterInvalid, "Param 'healthChecker' is illegal, it is no JSON.")
	}
	settings := registry.Cluster{
		Name: in.Name, CheckPort: in.CheckPort, UseInstancePort: in.UseInstancePort, Metadata: in.Metadata,
		Checker: registry.Checker{Type: c.Type, Path: wire.Text(c.Path), Headers: wire.Text(c.Headers)},
	}
	if c.ExpectedResponseCode != nil {
		settings.Checker.ExpectedCode = *c.ExpectedResponseCode
	}
	return a.done(ctx, a.svc.UpdateService(ctx, in.key(), func(s *registry.Service) error {
		if s.Clusters == nil {
			s.Clusters = make(map[string]registry.Cluster)
		}
		s.Clusters[in.Name] = settings
		return nil
	}))
}

// checkerTypes are the checks of health with what they are told if nothing is said.
var checkerTypes = json.RawMessage(`{"TCP":{},"HTTP":{"path":"","headers":"","expectedResponseCode":200},"NONE":{}}`)

func (a *API) checkers(context.Context, rest.None) (*rest.Raw, error) { return raw(checkerTypes), nil }

type metricsForm struct {
	OnlyStatus bool `form:"onlyStatus,default=true"`
}

type metricsV1 struct {
	metricsV2
	ResponsibleInstanceCount *int `json:"responsibleInstanceCount,omitempty"`
}

// metricsV1 are those of v2, and how many instances the clients of this node have.
func (a *API) metricsV1(ctx context.Context, in metricsForm) (*metricsV1, error) {
	v2, err := a.metricsV2(ctx, in)
	if err != nil {
		return nil, err
	}
	m := &metricsV1{metricsV2: *v2}
	if !in.OnlyStatus {
		m.ResponsibleInstanceCount = v2.InstanceCount
	}
	return m, nil
}

type metricsV2 struct {
	Status                 string `json:"status"`
	ServiceCount           *int   `json:"serviceCount,omitempty"`
	InstanceCount          *int   `json:"instanceCount,omitempty"`
	SubscribeCount         *int   `json:"subscribeCount,omitempty"`
	ClientCount            *int   `json:"clientCount,omitempty"`
	ConnectionBasedCount   *int   `json:"connectionBasedClientCount,omitempty"`
	EphemeralIPPortCount   *int   `json:"ephemeralIpPortClientCount,omitempty"`
	PersistentIPPortCount  *int   `json:"persistentIpPortClientCount,omitempty"`
	ResponsibleClientCount *int   `json:"responsibleClientCount,omitempty"`
}

// metricsV2 is what clients take for the health of the server. It counts the clients as
// client/list names them.
func (a *API) metricsV2(ctx context.Context, in metricsForm) (*metricsV2, error) {
	m := &metricsV2{Status: "UP"}
	if !a.ready() {
		m.Status = "STARTING"
	}
	if told := a.svc.Switches().ServerStatus; told != "" {
		m.Status = told
	}
	if in.OnlyStatus {
		return m, nil
	}
	t := a.svc.Totals()
	m.ServiceCount, m.InstanceCount, m.SubscribeCount = &t.Services, &t.Instances, &t.Subscriptions
	all, err := a.clients(ctx, rest.None{})
	if err != nil {
		return nil, err
	}
	var connected, beats, persistent int
	for _, id := range all {
		switch {
		case strings.HasSuffix(id, beatsSuffix):
			beats++
		case strings.HasSuffix(id, persistentSuffix):
			persistent++
		default:
			connected++
		}
	}
	total := len(all)
	m.ClientCount, m.ConnectionBasedCount, m.EphemeralIPPortCount, m.PersistentIPPortCount, m.ResponsibleClientCount = &total, &connected, &beats, &persistent, &total
	return m, nil
}
