package state

// CountsBytes is what the numbers of partitions take, whatever the limit.
const CountsBytes = 2 * countSlots * countBytes
