//go:build race

package storage

func init() { underRaceDetector = true }
