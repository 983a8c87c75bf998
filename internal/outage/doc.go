// Package outage has a test that runs the registry and the config center on three real
// servers which lose their leader, their quorum, and one another, and looks at what
// clients of Nacos are told meanwhile and find afterwards: over HTTP v1, v2 and v3, and
// over gRPC with the SDK. A subscriber remembers every list that it is given; none may
// lack an instance that lives.
package outage
