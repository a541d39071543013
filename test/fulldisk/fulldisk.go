//go:build unix

// Package fulldisk has a test run out of disk.
package fulldisk

import (
	"os/signal"
	"syscall"
	"testing"
)

// Beyond lets no file of this process grow beyond a size, which breaks a write in the
// middle as a full disk does, until room is made or the test is over.
func Beyond(tb testing.TB, size int64) (makeRoom func()) {
	tb.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		tb.Fatalf("fulldisk: %v", err)
	}
	narrow := before
	narrow.Cur = uint64(size)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &narrow); err != nil {
		tb.Fatalf("fulldisk: %v", err)
	}
	makeRoom = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			tb.Errorf("fulldisk: %v", err)
		}
		signal.Reset(syscall.SIGXFSZ)
	}
	tb.Cleanup(makeRoom)
	return makeRoom
}
