// Package arch holds the rules of the house as tests: who may import whom, which
// packages stay pure, and that every package says what it is.
//
// It has no code of its own. A rule that was learned the hard way goes into the
// table of arch_test.go, with its reason.
package arch
