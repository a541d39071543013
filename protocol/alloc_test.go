package protocol_test

import "runtime"

// allocatedBytes returns how many bytes fn allocates on the heap, at least:
// what other goroutines allocate meanwhile counts too, and these tests have
// none.
func allocatedBytes(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
