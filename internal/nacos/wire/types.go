package wire

// body pairs a constructor with the module that Nacos counts the type to; only
// requests have one.
type bodyType struct {
	module string
	make   func() Body
}

func typed[T any, P interface {
	*T
	Body
}](module string) bodyType {
	return bodyType{module, func() Body { return P(new(T)) }}
}

// types is built once and never written.
var types = func() map[string]bodyType {
	all := []bodyType{
		typed[ServerCheckRequest]("internal"), typed[ServerCheckResponse](""),
		typed[ConnectionSetupRequest]("internal"),
		typed[SetupAckRequest]("internal"), typed[SetupAckResponse](""),
		typed[HealthCheckRequest]("internal"), typed[HealthCheckResponse](""),
		typed[ClientDetectionRequest]("internal"), typed[ClientDetectionResponse](""),
		typed[ConnectResetRequest]("internal"), typed[ConnectResetResponse](""),
		typed[ErrorResponse](""),

		typed[InstanceRequest]("naming"), typed[PersistentInstanceRequest]("naming"), typed[InstanceResponse](""),
		typed[BatchInstanceRequest]("naming"), typed[BatchInstanceResponse](""),
		typed[ServiceQueryRequest]("naming"), typed[QueryServiceResponse](""),
		typed[SubscribeServiceRequest]("naming"), typed[SubscribeServiceResponse](""),
		typed[ServiceListRequest]("naming"), typed[ServiceListResponse](""),
		typed[NotifySubscriberRequest]("naming"), typed[NotifySubscriberResponse](""),
		typed[NamingFuzzyWatchRequest]("naming"), typed[NamingFuzzyWatchResponse](""),
		typed[NamingFuzzyWatchSyncRequest]("naming"), typed[NamingFuzzyWatchSyncResponse](""),
		typed[NamingFuzzyWatchChangeNotifyRequest]("naming"), typed[NamingFuzzyWatchChangeNotifyResponse](""),

		typed[LockOperationRequest]("lock"), typed[LockOperationResponse](""),

		typed[ConfigQueryRequest]("config"), typed[ConfigQueryResponse](""),
		typed[ConfigPublishRequest]("config"), typed[ConfigPublishResponse](""),
		typed[ConfigRemoveRequest]("config"), typed[ConfigRemoveResponse](""),
		typed[ConfigBatchListenRequest]("config"), typed[ConfigChangeBatchListenResponse](""),
		typed[ConfigChangeNotifyRequest]("config"), typed[ConfigChangeNotifyResponse](""),
		typed[ClientConfigMetricRequest]("config"), typed[ClientConfigMetricResponse](""),
		typed[ConfigFuzzyWatchRequest]("config"), typed[ConfigFuzzyWatchResponse](""),
		typed[ConfigFuzzyWatchSyncRequest]("config"), typed[ConfigFuzzyWatchSyncResponse](""),
		typed[ConfigFuzzyWatchChangeNotifyRequest]("config"), typed[ConfigFuzzyWatchChangeNotifyResponse](""),
	}
	m := make(map[string]bodyType, len(all))
	for _, t := range all {
		m[t.make().PayloadType()] = t
	}
	return m
}()

// New is an empty body of a type, or nil if there is no such type.
func New(payloadType string) Body {
	if t, ok := types[payloadType]; ok {
		return t.make()
	}
	return nil
}

// Types are the names of all types, in no order.
func Types() []string {
	names := make([]string, 0, len(types))
	for name := range types {
		names = append(names, name)
	}
	return names
}

func moduleOf(payloadType string) string { return types[payloadType].module }
