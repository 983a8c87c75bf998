package registry

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/internal/names"
)

// Switches are what operators change while servers run, for all of them at once. The
// names are Nacos's. Those marked "kept" steer machinery that Nacos has and we do not:
// they can be set and are shown, and nothing else.
//
// Start from DefaultSwitches. A value never changes once it was handed out.
type Switches struct {
	// PushCacheMillis is what lists tell clients of how long they may rest on them.
	PushCacheMillis int64
	// BeatMillis is how often a client is told to send heartbeats, unless its instance's
	// metadata say otherwise.
	BeatMillis int64
	// LightBeats lets clients leave the description of the instance out of heartbeats.
	LightBeats bool
	// HealthChecks is false to have nothing found sick or well: no instance is asked, no
	// missing heartbeat counts.
	HealthChecks bool
	// CheckTimes equal results in a row change the health of an instance.
	CheckTimes int
	TCP, HTTP  CheckPace
	// Push is false to have no list pushed. What changed is pushed when it is true again.
	Push bool
	// ServerStatus, unless empty, is what servers say of themselves; all but UP refuses
	// requests over HTTP.
	ServerStatus string
	// DefaultEphemeral is the kind of an instance whose registration does not say it.
	DefaultEphemeral bool
	// LimitedURLs are answered with a status and nothing else, by how they begin.
	LimitedURLs map[string]int

	// Kept.
	MySQL                                CheckPace
	Masters                              []string // nil: never set
	CacheMillis, ServerSync, ServiceSync int64    // milliseconds
	DistroExpiredMillis                  int64
	DistroThreshold                      float64
	Distro, Standalone, AutoHealthCheck  bool
	DisableAddIP, SendBeatOnly           bool
	PushGo, PushJava, PushPython         string // versions
	PushC, PushCSharp                    string
}

// CheckPace is how often an instance is asked: every MaxMillis while all is as it was,
// every MinMillis while answers and state differ. Factor is kept.
type CheckPace struct {
	MaxMillis int     `json:"max"`
	MinMillis int     `json:"min"`
	Factor    float64 `json:"factor"`
}

// Calm and Doubt are the pauses between two checks.
func (p CheckPace) Calm() time.Duration { return time.Duration(p.MaxMillis) * time.Millisecond }

// Doubt is the pause while answers and state differ.
func (p CheckPace) Doubt() time.Duration { return time.Duration(p.MinMillis) * time.Millisecond }

// DefaultSwitches are Nacos's.
func DefaultSwitches() Switches {
	return Switches{
		PushCacheMillis: 10_000, BeatMillis: DefaultBeatInterval.Milliseconds(), LightBeats: true, HealthChecks: true,
		CheckTimes: 3, TCP: CheckPace{5000, 1000, 0.75}, HTTP: CheckPace{5000, 500, 0.85}, Push: true, DefaultEphemeral: true,
		MySQL: CheckPace{3000, 2000, 0.65}, CacheMillis: 3000, ServerSync: 2000, ServiceSync: 5000,
		DistroExpiredMillis: 10_000, DistroThreshold: 0.7, Distro: true, Standalone: true, AutoHealthCheck: true,
		PushGo: "0.1.0", PushJava: "0.1.0", PushPython: "0.4.3", PushC: "1.0.12", PushCSharp: "0.9.0",
	}
}

// The states that a server can be told to be in.
const (
	StatusUp        = "UP"
	StatusReadOnly  = "READ_ONLY"
	StatusWriteOnly = "WRITE_ONLY"
)

var serverStatuses = []string{StatusUp, "DOWN", "STARTING", "PAUSED", StatusWriteOnly, StatusReadOnly}

// Refuses reports whether servers in that state do not take a request over HTTP.
func (s *Switches) Refuses(reads bool) bool {
	switch s.ServerStatus {
	case "", StatusUp:
		return false
	case StatusReadOnly:
		return !reads
	case StatusWriteOnly:
		return reads
	}
	return true
}

// Limited is the status with which requests are answered whose address, with its query,
// is url; 0 for all but a few.
func (s *Switches) Limited(url string) int {
	for start, status := range s.LimitedURLs {
		if strings.HasPrefix(url, start) {
			return status
		}
	}
	return 0
}

// Bounds of switches. Where Nacos has one, it is Nacos's.
const (
	switchMax       = 4096 // characters of a value
	millisMax       = 24 * 60 * 60 * 1000
	pushCacheMin    = 10_000
	cacheMin        = 1000
	serviceSyncMin  = 5000
	serverSyncMin   = 1000
	beatMin         = 500
	checkTimesMax   = 100
	paceMinMin      = 500
	paceMaxMin      = 3000
	limitedMax      = 64
	mastersMax      = 64
	statusHTTPFirst = 100
	statusHTTPLast  = 599
)

// Set changes the switch of that name, as it is called in Nacos when it is set or when
// it is shown. It returns ErrInvalid.
func (s *Switches) Set(entry, value string) error {
	set, ok := switches[entry]
	if !ok {
		return Errorf(ErrInvalid, "Param 'entry' is illegal, there is no switch %s.", strconv.Quote(clip(entry)))
	}
	if len(value) > switchMax {
		return tooLong("value", switchMax)
	}
	return set(s, value)
}

type setSwitch func(s *Switches, value string) error

// switches are all that can be set. Some have two names: one to set them by, and one
// under which they are shown.
var switches = map[string]setSwitch{
	"pushCacheMillis":                          millis(func(s *Switches) *int64 { return &s.PushCacheMillis }, pushCacheMin, "min cache time for http or tcp is too small(<10000)"),
	"defaultPushCacheMillis":                   millis(func(s *Switches) *int64 { return &s.PushCacheMillis }, pushCacheMin, "min cache time for http or tcp is too small(<10000)"),
	"defaultCacheMillis":                       millis(func(s *Switches) *int64 { return &s.CacheMillis }, cacheMin, "min default cache time  is too small(<1000)"),
	"serviceStatusSynchronizationPeriodMillis": millis(func(s *Switches) *int64 { return &s.ServiceSync }, serviceSyncMin, "serviceStatusSynchronizationPeriodMillis is too small(<5000)"),
	"serverStatusSynchronizationPeriodMillis":  millis(func(s *Switches) *int64 { return &s.ServerSync }, serverSyncMin, "serverStatusSynchronizationPeriodMillis is too small(<15000)"),
	"distroServerExpiredMillis":                millis(func(s *Switches) *int64 { return &s.DistroExpiredMillis }, 0, ""),
	"clientBeatInterval":                       millis(func(s *Switches) *int64 { return &s.BeatMillis }, beatMin, "clientBeatInterval is too small(<500)"),

	"check":                        flag(func(s *Switches) *bool { return &s.HealthChecks }),
	"healthCheckEnabled":           flag(func(s *Switches) *bool { return &s.HealthChecks }),
	"pushEnabled":                  flag(func(s *Switches) *bool { return &s.Push }),
	"lightBeatEnabled":             flag(func(s *Switches) *bool { return &s.LightBeats }),
	"defaultInstanceEphemeral":     flag(func(s *Switches) *bool { return &s.DefaultEphemeral }),
	"distro":                       flag(func(s *Switches) *bool { return &s.Distro }),
	"distroEnabled":                flag(func(s *Switches) *bool { return &s.Distro }),
	"enableStandalone":             flag(func(s *Switches) *bool { return &s.Standalone }),
	"autoChangeHealthCheckEnabled": flag(func(s *Switches) *bool { return &s.AutoHealthCheck }),
	"disableAddIP":                 flag(func(s *Switches) *bool { return &s.DisableAddIP }),
	"sendBeatOnly":                 flag(func(s *Switches) *bool { return &s.SendBeatOnly }),

	"healthCheckTimes":       setCheckTimes,
	"checkTimes":             setCheckTimes,
	"tcpHealthParams":        pace(func(s *Switches) *CheckPace { return &s.TCP }),
	"httpHealthParams":       pace(func(s *Switches) *CheckPace { return &s.HTTP }),
	"mysqlHealthParams":      pace(func(s *Switches) *CheckPace { return &s.MySQL }),
	"distroThreshold":        setDistroThreshold,
	"masters":                setMasters,
	"limitedUrlMap":          setLimitedURLs,
	"overriddenServerStatus": setServerStatus,
	"pushVersion":            setPushVersion,
}

// sameSwitch maps the names under which switches are shown to those by which Nacos sets them.
var sameSwitch = map[string]string{
	"defaultPushCacheMillis": "pushCacheMillis", "healthCheckEnabled": "check", "distroEnabled": "distro", "checkTimes": "healthCheckTimes",
}

// SwitchKey names what Set changes with that entry and value: what has the same key takes
// the place of what was set before.
func SwitchKey(entry, value string) string {
	if same, ok := sameSwitch[entry]; ok {
		return same
	}
	if entry == "pushVersion" { // one for each kind of client
		client, _, _ := strings.Cut(value, ":")
		return entry + " " + client
	}
	return entry
}

// SwitchNames are all names by which switches can be set, in order.
func SwitchNames() []string { return slices.Sorted(maps.Keys(switches)) }

func millis(of func(*Switches) *int64, least int64, tooSmall string) setSwitch {
	return func(s *Switches, value string) error {
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		switch {
		case err != nil:
			return notANumber(value)
		case n < least && tooSmall != "":
			return Errorf(ErrInvalid, "%s", tooSmall)
		case n < least || n > millisMax:
			return illegal("value", "it should be in the range from "+strconv.FormatInt(least, 10)+" to "+strconv.Itoa(millisMax)+".")
		}
		*of(s) = n
		return nil
	}
}

func flag(of func(*Switches) *bool) setSwitch {
	return func(s *Switches, value string) error {
		switch strings.ToLower(strings.TrimSpace(value)) {
		case "true", "on", "yes":
			*of(s) = true
		case "false", "off", "no":
			*of(s) = false
		default:
			return illegal("value", "it is neither true nor false.")
		}
		return nil
	}
}

func setCheckTimes(s *Switches, value string) error {
	n, err := strconv.Atoi(strings.TrimSpace(value))
	switch {
	case err != nil:
		return notANumber(value)
	case n < 1 || n > checkTimesMax:
		return illegal("value", "it should be in the range from 1 to "+strconv.Itoa(checkTimesMax)+".")
	}
	s.CheckTimes = n
	return nil
}

// pace reads {"max":5000,"min":500,"factor":0.85}. What is left out gets its default.
func pace(of func(*Switches) *CheckPace) setSwitch {
	return func(s *Switches, value string) error {
		defaults := DefaultSwitches()
		p := *of(&defaults)
		if err := json.Unmarshal([]byte(value), &p); err != nil {
			return Errorf(ErrInvalid, "json param invalid.")
		}
		switch {
		case p.MinMillis < paceMinMin:
			return Errorf(ErrInvalid, "min check time for http or tcp is too small(<500)")
		case p.MaxMillis < paceMaxMin:
			return Errorf(ErrInvalid, "max check time for http or tcp is too small(<3000)")
		case p.MaxMillis > millisMax || p.MinMillis > p.MaxMillis:
			return illegal("value", "min should not exceed max, and max not "+strconv.Itoa(millisMax)+".")
		case p.Factor < 0 || p.Factor > 1:
			return Errorf(ErrInvalid, "malformed factor")
		}
		*of(s) = p
		return nil
	}
}

func setDistroThreshold(s *Switches, value string) error {
	f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	switch {
	case err != nil:
		return notANumber(value)
	case !(f > 0 && f <= 1):
		return Errorf(ErrInvalid, "distroThreshold can not be zero or negative: %s", javaFloat(f))
	}
	s.DistroThreshold = f
	return nil
}

func setMasters(s *Switches, value string) error {
	masters := strings.Split(value, ",")
	if len(masters) > mastersMax {
		return illegal("value", "it names more than "+strconv.Itoa(mastersMax)+".")
	}
	s.Masters = masters
	return nil
}

// setLimitedURLs reads url:status,url:status. Nothing is no limit any more.
func setLimitedURLs(s *Switches, value string) error {
	limits := make(map[string]int)
	for pair := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		url, status, _ := strings.Cut(pair, ":")
		n, err := strconv.Atoi(strings.TrimSpace(status))
		switch {
		case url == "":
			return Errorf(ErrInvalid, "url can not be empty, url: ")
		case err != nil:
			return Errorf(ErrInvalid, "invalid input for limited urls")
		case n < statusHTTPFirst || n > statusHTTPLast:
			return Errorf(ErrInvalid, "illegal normal status code: %d", n)
		case len(limits) >= limitedMax:
			return illegal("value", "it names more than "+strconv.Itoa(limitedMax)+".")
		}
		limits[url] = n
	}
	s.LimitedURLs = limits
	return nil
}

func setServerStatus(s *Switches, value string) error {
	if value = strings.TrimSpace(value); value == "null" || value == "" {
		s.ServerStatus = ""
		return nil
	}
	if !slices.Contains(serverStatuses, value) {
		return illegal("value", "a server is one of "+strings.Join(serverStatuses, ", ")+", or null.")
	}
	s.ServerStatus = value
	return nil
}

// setPushVersion reads client:version.
func setPushVersion(s *Switches, value string) error {
	client, version, _ := strings.Cut(value, ":")
	to := map[string]*string{"go": &s.PushGo, "java": &s.PushJava, "python": &s.PushPython, "c": &s.PushC, "csharp": &s.PushCSharp}[client]
	switch {
	case !isVersion(version):
		return Errorf(ErrInvalid, "illegal version, must match: [0-9]+\\.[0-9]+\\.[0-9]+")
	case to == nil:
		return Errorf(ErrInvalid, "unsupported client type: %s", clip(client))
	}
	*to = version
	return nil
}

func isVersion(s string) bool {
	parts := strings.Split(s, ".")
	for _, part := range parts {
		if n, err := strconv.Atoi(part); err != nil || n < 0 || len(part) > 6 || part[0] == '+' {
			return false
		}
	}
	return len(parts) == 3
}

func notANumber(value string) error {
	return Errorf(ErrInvalid, "For input string: \"%s\"", clip(value))
}

// javaFloat is a number as Nacos prints it: 0.0, not 0.
func javaFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.ContainsAny(s, ".N") {
		s += ".0"
	}
	return s
}

func clip(s string) string { return names.Clip(s, 64, "...") }
