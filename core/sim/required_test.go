package sim

// required must happen in every run of the tests, requiredInLong in the long one:
// a simulator that has gone quiet fails.
var required = []string{
	"run to the end",
	"trees compared", "mirror compared", "long read", "reply behind the state",

	"input replica.Start", "input replica.Connected", "input replica.Requests", "input replica.Gone",
	"input replica.Drained", "input replica.Touched", "input replica.Synced", "input replica.MetaSynced",
	"input replica.LogRead", "input replica.SnapshotLoaded", "input replica.SnapshotWritten", "input replica.Message",
	"input replica.LinkUp", "input replica.LinkDown", "input replica.SnapshotNow", "input replica.Kick", "input replica.Tick",
	"input replica.DiskLow", "reply setData -1",

	"fault kill", "fault power", "fault crash at a call", "fault fsync error", "fault i/o error", "fault disk full",
	"fault bit flip", "fault clock jump", "fault pause", "fault stop", "fault crash while starting",
	"crash process", "crash power-random", "process ended by the disk", "crash during snapshot", "stopped in good order",
	"disk full recovered", "restart with torn tail",

	"batch grew during a sync", "slow sync", "epoch advanced in place", "stall noticed",
	"snapshot written", "snapshot restored", "state made of the log", "log left to the replica", "writes during snapshot", "purge", "log begins behind a snapshot",
	"requests held in the socket", "slow reader", "connection abandoned", "client gave up on a silent link",
	"session expired", "session resumed", "session closed by its client", "client learnt that its session expired",
	"watches re-armed", "watches re-armed with setWatches", "watches re-armed with setWatches2",
	"event NodeCreated", "event NodeDeleted", "event NodeDataChanged", "event NodeChildrenChanged", "event with the znode",
	"event of the past NodeDataChanged", "event of the past NodeChildrenChanged", "event of the past NodeDeleted",
	"znode reaped",

	"reply create 0", "reply create -8", "reply create -101", "reply create -102", "reply create -108", "reply create -110",
	"reply create2 0", "reply create2 -114", "reply createContainer 0", "reply createTTL 0", "reply createTTL -8",
	"reply delete 0", "reply delete -8", "reply delete -101", "reply delete -103", "reply delete -111",
	"reply setData 0", "reply setData -5", "reply setData -8", "reply setData -101", "reply setData -102", "reply setData -103",
	"reply setACL 0", "reply setACL -101", "reply setACL -102", "reply setACL -114",
	"reply multi 0", "reply multi -5", "reply multiRead 0",
	"reply exists 0", "reply exists -8", "reply exists -101", "reply getData 0", "reply getData -101", "reply getData -102",
	"reply getChildren 0", "reply getChildren2 0", "reply getACL 0", "reply getEphemerals 0", "reply getAllChildrenNumber 0",
	"reply sync 0", "reply ping 0", "reply addWatch 0", "reply removeWatches 0", "reply removeWatches -121", "reply closeSession 0",
}

var requiredInLong = []string{
	"damage reported", "older log checked", "middle corruption detected", "damage refused",
	"bit flipped in segment", "bit flipped in snapshot", "bit flipped in meta",
	"crash power-lose", "crash power-keep", "start with a crash ahead", "snapshot given up for lack of space",
	"snapshot before anything else on a short disk",
	"event of the past NodeCreated",
	"reply create -5", "reply create2 -5", "reply createTTL -5", "reply createTTL -6", "reply delete -5", "reply delete -102",
	"reply setACL -103", "reply getACL -102",
	"reply getChildren2 -102", "reply checkWatches 0", "reply checkWatches -121",
}

var requiredOfEnsembles = []string{
	"run to the end", "trees compared", "mirror compared", "role lost", "learner fed from the log", "network healed",
	"input replica.Message", "input replica.LinkUp", "input replica.LinkDown", "input replica.Fed",
	"fault leader killed", "fault link broken", "session resumed", "session expired", "reply sync 0",
	"leadership handed over", "members changed", "reply reconfig 0", "applied before it was in step",
}

var requiredOfEnsemblesInLong = []string{
	"input replica.Truncated", "input replica.SnapshotInstalled", "log truncated", "log gone while a learner is fed",
	"fault partition", "fault one-way cut", "fault several killed", "fault disk lost", "link given up for silence",
	"damage for a leader to mend", "damage in older log", "snapshot of a leader installed",
	"snapshot of a learner that is not in step", "leadership left for a disk that is nearly full",
	"disk lost while another is behind", "disk lost of who helped another leader", "leader elected and overtaken",
	"crash behind the switch of an installation", "restart with torn tail", "power lost between write and sync",
	"disk full recovered", "stall noticed", "watches re-armed with setWatches2", "client learnt that its session expired",
}
