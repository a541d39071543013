//go:build !linux

package proxy

import "syscall"

// readCall is read(2).
func readCall(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return n, errnoOf(err)
}

// writeCall is write(2).
func writeCall(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), p)
	return n, errnoOf(err)
}

// errnoOf is what package syscall wraps nothing around.
func errnoOf(err error) syscall.Errno {
	errno, _ := err.(syscall.Errno) //nolint:errorlint // as it comes from the call
	return errno
}
