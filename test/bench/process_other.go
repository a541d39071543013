//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

// The CPU time of another process, to the nanosecond, is to be had from Linux.
var errLinux = errors.New("bench measures processes by Linux's clocks and /proc: run it on Linux")

func cpuTime(int) (time.Duration, error) { return 0, errLinux }

func residentBytes(int) (int64, error) { return 0, errLinux }

func descriptors(int) (int, error) { return 0, errLinux }

func dieWithUs() *syscall.SysProcAttr { return nil }

func machine() string { return "unknown processor" }

func kernel() string { return "unknown" }

func loadAverage() string { return "unknown" }
