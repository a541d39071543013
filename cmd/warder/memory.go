package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryPart is how much of a container's memory the Go heap may use before the
// garbage collector works harder: the rest is for stacks, buffers of the kernel and
// what the collector does not see.
const memoryPart = 0.9

// cgroupLimits are where the memory limit of this process's container stands, in
// cgroup v2 and v1, as a container sees itself.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// limitMemory makes the garbage collector heed the container's limit, so that a
// burst ends in more collections and not in the kernel's killing warder. GOMEMLIMIT
// has precedence.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := cgroupMemory(cgroupLimits); limit > 0 {
		debug.SetMemoryLimit(int64(float64(limit) * memoryPart))
	}
}

// noLimit is beyond what cgroup v1 writes for "no limit" on any page size.
const noLimit = 1 << 60

// cgroupMemory reads the limit in bytes; 0 for none.
func cgroupMemory(files []string) int64 {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil || limit <= 0 || limit >= noLimit { // v2 writes "max"
			return 0
		}
		return limit
	}
	return 0
}
