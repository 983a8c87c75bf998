package main

import "strings"

// atLeast is something that has to happen so often.
type atLeast struct {
	name  string
	least int
}

// floor is a twentieth of what a hundred simulated hours of an ensemble must meet.
func floor() []atLeast {
	list := []atLeast{
		{"election at a start", 50},
		{"election for a lost leader", 50},
		{"election of a leader that gave up", 20},
		{"election for a hand-over", 5},
		{"election for a used up counter", 3},
		{"leader established", 125},
		{"leadership handed over", 3},
		{"brought by DIFF", 250},
		{"brought by a DIFF of nothing", 25},
		{"brought by TRUNC", 50},
		{"brought by TRUNC and a DIFF across epochs", 15},
		{"brought by SNAP", 50},
		{"SNAP interrupted", 10},
		{"log gone while a learner is fed", 5},
		{"crash in a call of a truncation", 10},
		{"crash in a call of the switch to a snapshot", 10},
		{"restart with torn tail", 10},
		{"middle corruption detected", 5},
		{"damage for a leader to mend", 5},
		{"server without a history took part", 5},
		{"disk lost while another is behind", 3},
		{"reconfiguration committed", 10},
		{"leader reconfigured away", 3},
		{"session expired", 100},
		{"session moved", 100},
		{"session in process outlives a role", 20},
		{"watches re-armed", 250},
		{"watches re-armed after a move", 50},
		{"sync confirmed behind a partition", 10},
		{"sync given up with the leadership", 3},
		{"disk full recovered", 5},
		{"stall noticed", 10},
		{"half-open link", 10},
		{"link given up for silence", 5},
		{"network healed", 20},
		{"znode reaped", 100},
		{"snapshot written", 100},
		{"long read", 100},
	}
	for _, kind := range []string{
		"kill", "power", "crash at a call", "fsync error", "i/o error", "disk full", "bit flip", "clock jump", "pause", "stop",
		"crash while starting", "partition", "one-way cut", "link broken", "several killed", "leader killed", "disk lost",
		"crash on the way into an epoch", "slow disk", "leader left behind",
	} {
		list = append(list, atLeast{"fault " + kind, 5})
	}
	steps := map[string]string{
		"DIFF":      "between write and sync of the records,between records and epoch,between epoch and ack,behind the ack",
		"TRUNC":     "before the truncation,behind the truncation,between write and sync of the records,between records and epoch,between epoch and ack,behind the ack",
		"SNAP":      "behind a part of a snapshot,before the switch to a snapshot,behind the switch to a snapshot,between write and sync of the records,between records and epoch,between epoch and ack,behind the ack",
		"own epoch": "between write and sync of the records,between records and epoch,between epoch and ack",
	}
	for _, mode := range []string{"DIFF", "TRUNC", "SNAP", "own epoch"} {
		for step := range strings.SplitSeq(steps[mode], ",") {
			list = append(list, atLeast{"crash " + step + " of " + mode, 2})
		}
	}
	return list
}
