//go:build !race

package ruletest

// raceDetector says whether the race detector watches.
const raceDetector = false
