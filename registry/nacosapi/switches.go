package nacosapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/registry"
)

// switchesV1 are the switches as Nacos shows them in all versions, but for those that
// differ by release: switchesV2 and switchesV3.
type switchesV1 struct {
	Name                string             `json:"name"`
	Checksum            *string            `json:"checksum"` // null
	Masters             []string           `json:"masters"`  // null if never set
	AdWeights           map[string]int     `json:"adWeightMap"`
	PushCacheMillis     int64              `json:"defaultPushCacheMillis"`
	BeatMillis          int64              `json:"clientBeatInterval"`
	CacheMillis         int64              `json:"defaultCacheMillis"`
	DistroThreshold     float64            `json:"distroThreshold"`
	HealthChecks        bool               `json:"healthCheckEnabled"`
	AutoHealthCheck     bool               `json:"autoChangeHealthCheckEnabled"`
	Distro              bool               `json:"distroEnabled"`
	Standalone          bool               `json:"enableStandalone"`
	Push                bool               `json:"pushEnabled"`
	CheckTimes          int                `json:"checkTimes"`
	HTTP                registry.CheckPace `json:"httpHealthParams"`
	TCP                 registry.CheckPace `json:"tcpHealthParams"`
	MySQL               registry.CheckPace `json:"mysqlHealthParams"`
	Incremental         []string           `json:"incrementalList"`
	ServerSync          int64              `json:"serverStatusSynchronizationPeriodMillis"`
	ServiceSync         int64              `json:"serviceStatusSynchronizationPeriodMillis"`
	DisableAddIP        bool               `json:"disableAddIP"`
	SendBeatOnly        bool               `json:"sendBeatOnly"`
	LightBeats          bool               `json:"lightBeatEnabled"`
	LimitedURLs         map[string]int     `json:"limitedUrlMap"`
	DistroExpiredMillis int64              `json:"distroServerExpiredMillis"`
	Authentication      bool               `json:"enableAuthentication"`
	ServerStatus        *string            `json:"overriddenServerStatus"` // null if never set
	DefaultEphemeral    bool               `json:"defaultInstanceEphemeral"`
	WhiteList           []string           `json:"healthCheckWhiteList"`
}

func (a *API) switches() *switchesV1 {
	s := a.svc.Switches()
	out := &switchesV1{
		Name: "00-00---000-NACOS_SWITCH_DOMAIN-000---00-00", Masters: s.Masters, AdWeights: map[string]int{},
		PushCacheMillis: s.PushCacheMillis, BeatMillis: s.BeatMillis, CacheMillis: s.CacheMillis, DistroThreshold: s.DistroThreshold,
		HealthChecks: s.HealthChecks, AutoHealthCheck: s.AutoHealthCheck, Distro: s.Distro, Standalone: s.Standalone, Push: s.Push,
		CheckTimes: s.CheckTimes, HTTP: s.HTTP, TCP: s.TCP, MySQL: s.MySQL, Incremental: []string{}, ServerSync: s.ServerSync,
		ServiceSync: s.ServiceSync, DisableAddIP: s.DisableAddIP, SendBeatOnly: s.SendBeatOnly, LightBeats: s.LightBeats,
		LimitedURLs: s.LimitedURLs, DistroExpiredMillis: s.DistroExpiredMillis, DefaultEphemeral: s.DefaultEphemeral, WhiteList: []string{},
	}
	if out.LimitedURLs == nil {
		out.LimitedURLs = map[string]int{}
	}
	if s.ServerStatus != "" {
		out.ServerStatus = &s.ServerStatus
	}
	return out
}

// switchesV2 are those of 2.5.1.
type switchesV2 struct {
	*switchesV1
	Go     string `json:"pushGoVersion"`
	Java   string `json:"pushJavaVersion"`
	Python string `json:"pushPythonVersion"`
	C      string `json:"pushCVersion"`
	CSharp string `json:"pushCSharpVersion"`
}

func (a *API) switchesV2(context.Context, rest.None) (*switchesV2, error) {
	s := a.svc.Switches()
	return &switchesV2{a.switches(), s.PushGo, s.PushJava, s.PushPython, s.PushC, s.PushCSharp}, nil
}

// switchesV3 are those of 3.0.3, which has other names for versions.
type switchesV3 struct {
	*switchesV1
	Go     string `json:"pushVersionOfGo"`
	Java   string `json:"pushVersionOfJava"`
	Python string `json:"pushVersionOfPython"`
	C      string `json:"pushVersionOfC"`
	CSharp string `json:"pushVersionOfCsharp"`
}

func (a *API) switchesV3(context.Context, rest.None) (*switchesV3, error) {
	s := a.svc.Switches()
	return &switchesV3{a.switches(), s.PushGo, s.PushJava, s.PushPython, s.PushC, s.PushCSharp}, nil
}

type switchForm struct {
	Entry string `form:"entry" binding:"required"`
	Value string `form:"value" binding:"required"`
	Debug bool   `form:"debug"` // on this server only
}

func (a *API) setSwitch(ctx context.Context, in switchForm) (string, error) {
	return a.done(ctx, a.svc.SetSwitch(ctx, in.Entry, in.Value, in.Debug))
}

// limited is the answer to a request that a switch keeps from being served, nil for all
// others. Operators are let in: they could not set the switch back.
func (a *API) limited(method string, u *url.URL) *rest.Raw {
	s := a.svc.Switches()
	if s.ServerStatus == "" && len(s.LimitedURLs) == 0 || isOperators(u.Path) {
		return nil
	}
	if status := s.Limited(u.Path + "?" + u.RawQuery); status != 0 {
		return &rest.Raw{Status: status}
	}
	if s.Refuses(method == http.MethodGet) {
		return unavailable("server is " + s.ServerStatus + "now, please try again later!")
	}
	return nil
}

func unavailable(text string) *rest.Raw {
	answer := rest.Text(text)
	answer.Status = http.StatusServiceUnavailable
	return answer
}

func isOperators(path string) bool {
	return strings.Contains(path, "/ns/operator/") || strings.Contains(path, "/ns/ops/")
}

type pushForm struct {
	Detail bool `form:"detail"`
	Reset  bool `form:"reset"`
}

// pushState tells how pushes went on this server.
type pushState struct {
	Succeed int64       `json:"succeed"`
	Total   int64       `json:"total"`
	Ratio   float64     `json:"ratio"`
	Detail  *pushDetail `json:"detail,omitempty"`
	Reset   bool        `json:"reset"`
}

// pushDetail is in milliseconds.
type pushDetail struct {
	Average int64 `json:"avgPushCost"`
	Max     int64 `json:"maxPushCost"`
}

func (a *API) pushState(_ context.Context, in pushForm) (*pushState, error) {
	p := a.svc.Pushes(in.Reset)
	out := &pushState{Succeed: p.Acknowledged, Total: p.Acknowledged + p.Failed, Reset: in.Reset}
	if out.Total > 0 {
		out.Ratio = float64(out.Succeed) / float64(out.Total)
	}
	if in.Detail {
		out.Detail = &pushDetail{Average: -1, Max: -1} // as Nacos has it of none
		if p.Acknowledged > 0 {
			out.Detail = &pushDetail{Average: (p.Took / time.Duration(p.Acknowledged)).Milliseconds(), Max: p.Longest.Milliseconds()}
		}
	}
	return out, nil
}
