//go:build race

package engine_test

// raceEnabled: sync.Pool drops at random under the race detector, so that
// allocations mean nothing.
const raceEnabled = true
