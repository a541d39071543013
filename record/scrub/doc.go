// Package scrub takes out of Kafka frames what a recording must not hold: secrets
// always, and of records as much as the operator wants. What is taken out is zeros of
// the same length, so that a frame keeps its form; only batches whose values are taken
// out of compressed records come out longer.
package scrub
