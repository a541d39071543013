//go:build race

package records

// Under the race detector sync.Pool drops things on purpose.
const raceEnabled = true
