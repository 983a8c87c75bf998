// Package push owes each subscriber the newest list of the services that it
// subscribed to, and nothing else: there is no queue of old lists.
//
// A Hub is told which services may look different (Changed). A subscriber with
// nothing under way gets the list at once, so a single change is not delayed.
// What changes while a push is under way, or right after one, is merged: further
// pushes keep a pause that grows while changes keep coming. A push that fails is
// repeated after a second with the list of that moment.
//
// Guard keeps back lists that lose much of their length just when this server
// had trouble of its own: then the loss is more likely ours than the instances'.
package push
