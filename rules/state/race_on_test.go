//go:build race

package state_test

// raceEnabled: what is slow and has one goroutine is left out under the race detector.
const raceEnabled = true
