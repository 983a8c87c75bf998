package main

import "testing"

// A node on an ensemble elsewhere died of a nil pointer when it was asked to end.
func TestNodeWithoutAnEngineHasNothingToHandOver(*testing.T) { new(instance).resign() }
