package wire

// Values of the members of fuzzy watches (Java 3.x). A pattern is
// namespace>>group>>name, where group and name may begin or end with *.
const (
	FuzzyWatch       = "WATCH"
	FuzzyCancelWatch = "CANCEL_WATCH"

	FuzzyInitNotify       = "FUZZY_WATCH_INIT_NOTIFY"
	FuzzyFinishInitNotify = "FINISH_FUZZY_WATCH_INIT_NOTIFY"
	FuzzyDiffSyncNotify   = "FUZZY_WATCH_DIFF_SYNC_NOTIFY"
	FuzzyResourceChanged  = "FUZZY_WATCH_RESOURCE_CHANGED"

	FuzzyAddService    = "ADD_SERVICE"
	FuzzyDeleteService = "DELETE_SERVICE"
	FuzzyAddConfig     = "ADD_CONFIG"
	FuzzyConfigChanged = "CONFIG_CHANGED"
	FuzzyDeleteConfig  = "DELETE_CONFIG"
)

// NamingFuzzyWatchRequest begins or ends a watch on a pattern of services.
type NamingFuzzyWatchRequest struct {
	Request
	Namespace         string    `json:"namespace,omitempty"`
	GroupKeyPattern   string    `json:"groupKeyPattern"`
	ReceivedGroupKeys GroupKeys `json:"receivedGroupKeys"`
	WatchType         string    `json:"watchType"`
	Initializing      bool      `json:"initializing"`
}

// NamingFuzzyWatchResponse answers it.
type NamingFuzzyWatchResponse struct{ Response }

// FuzzyWatchSync is what the batches of both kinds have beside their matches.
type FuzzyWatchSync struct {
	GroupKeyPattern string `json:"groupKeyPattern"`
	SyncType        string `json:"syncType"`
	TotalBatch      int    `json:"totalBatch"`
	CurrentBatch    int    `json:"currentBatch"`
}

// NamingFuzzyWatchSyncRequest pushes a batch of matches.
type NamingFuzzyWatchSyncRequest struct {
	Request
	FuzzyWatchSync
	Contexts []NamingFuzzyWatchItem `json:"contexts"`
}

// NamingFuzzyWatchItem is one service of a batch.
type NamingFuzzyWatchItem struct {
	ServiceKey  string `json:"serviceKey"`
	ChangedType string `json:"changedType"`
}

// NamingFuzzyWatchSyncResponse acknowledges it.
type NamingFuzzyWatchSyncResponse struct{ Response }

// NamingFuzzyWatchChangeNotifyRequest pushes one change.
type NamingFuzzyWatchChangeNotifyRequest struct {
	Request
	SyncType    string `json:"syncType"`
	ServiceKey  string `json:"serviceKey"`
	ChangedType string `json:"changedType"`
}

// NamingFuzzyWatchChangeNotifyResponse acknowledges it.
type NamingFuzzyWatchChangeNotifyResponse struct{ Response }

// ConfigFuzzyWatchRequest begins or ends a watch on a pattern of configs.
type ConfigFuzzyWatchRequest struct {
	Request
	GroupKeyPattern   string    `json:"groupKeyPattern"`
	ReceivedGroupKeys GroupKeys `json:"receivedGroupKeys"`
	WatchType         string    `json:"watchType"`
	Initializing      bool      `json:"initializing"`
}

// ConfigFuzzyWatchResponse answers it.
type ConfigFuzzyWatchResponse struct{ Response }

// ConfigFuzzyWatchSyncRequest pushes a batch of matches.
type ConfigFuzzyWatchSyncRequest struct {
	Request
	FuzzyWatchSync
	Contexts []ConfigFuzzyWatchItem `json:"contexts,omitempty"` // of the end there are none
}

// ConfigFuzzyWatchItem is one config of a batch.
type ConfigFuzzyWatchItem struct {
	GroupKey    string `json:"groupKey"`
	ChangedType string `json:"changedType"`
}

// ConfigFuzzyWatchSyncResponse acknowledges it.
type ConfigFuzzyWatchSyncResponse struct{ Response }

// ConfigFuzzyWatchChangeNotifyRequest pushes one change.
type ConfigFuzzyWatchChangeNotifyRequest struct {
	Request
	GroupKey   string `json:"groupKey"`
	ChangeType string `json:"changeType"`
}

// ConfigFuzzyWatchChangeNotifyResponse acknowledges it.
type ConfigFuzzyWatchChangeNotifyResponse struct{ Response }

func (*NamingFuzzyWatchRequest) PayloadType() string      { return "NamingFuzzyWatchRequest" }
func (*NamingFuzzyWatchResponse) PayloadType() string     { return "NamingFuzzyWatchResponse" }
func (*NamingFuzzyWatchSyncRequest) PayloadType() string  { return "NamingFuzzyWatchSyncRequest" }
func (*NamingFuzzyWatchSyncResponse) PayloadType() string { return "NamingFuzzyWatchSyncResponse" }
func (*NamingFuzzyWatchChangeNotifyRequest) PayloadType() string {
	return "NamingFuzzyWatchChangeNotifyRequest"
}

func (*NamingFuzzyWatchChangeNotifyResponse) PayloadType() string {
	return "NamingFuzzyWatchChangeNotifyResponse"
}
func (*ConfigFuzzyWatchRequest) PayloadType() string      { return "ConfigFuzzyWatchRequest" }
func (*ConfigFuzzyWatchResponse) PayloadType() string     { return "ConfigFuzzyWatchResponse" }
func (*ConfigFuzzyWatchSyncRequest) PayloadType() string  { return "ConfigFuzzyWatchSyncRequest" }
func (*ConfigFuzzyWatchSyncResponse) PayloadType() string { return "ConfigFuzzyWatchSyncResponse" }
func (*ConfigFuzzyWatchChangeNotifyRequest) PayloadType() string {
	return "ConfigFuzzyWatchChangeNotifyRequest"
}

func (*ConfigFuzzyWatchChangeNotifyResponse) PayloadType() string {
	return "ConfigFuzzyWatchChangeNotifyResponse"
}
