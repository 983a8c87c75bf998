// Package member says who belongs to an ensemble: the lines server.N that stand in a
// zoo.cfg, in a dynamic file and in the znode /zookeeper/config, and what a
// reconfiguration makes of them.
//
// The form is ZooKeeper's, from which its clients build their connection strings:
//
//	server.N=host:quorumPort:electionPort:role;clientHost:clientPort
//	version=hex
//
// where the version is the zxid of the reconfiguration that brought it, 0 for members
// that stand in the configuration files. The package is pure.
package member
