// Package restore makes the state with which a server starts, while storage.Open reads what
// it is made of: of the newest snapshot, or, where there is none yet, of what the log knows to
// be committed, applied beside the reading of what follows. So the log is read once.
//
// Whatever is not as plain as that is left to the replica, which reads the log again when it
// knows what is committed: damage, a change of the members, a log that begins elsewhere. Left
// to it is also a log of which another state comes than the one that its records quote (Z-50).
// At the start that is nobody's end yet: it is told, and nothing of what was made is used. The
// others may have other records there, and bring them before anything is applied; if not, the
// replica stops the server where it applies them.
//
// It is for core/node, and for core/sim, whose servers start as those do. It starts one
// goroutine, which ends in End; the result depends on what was read alone.
package restore
