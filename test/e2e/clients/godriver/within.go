package godriver

import (
	"fmt"
	"time"
)

// Within runs an operation of a library whose calls take no context, and gives up on it, leaving it behind, when the time is over.
func Within(limit time.Duration, what string, operation func() (any, error)) (any, error) {
	type ended struct {
		result any
		err    error
	}
	done := make(chan ended, 1)
	go func() {
		result, err := operation()
		done <- ended{result, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case e := <-done:
		return e.result, e.err
	case <-timer.C:
		return nil, fmt.Errorf("%s took longer than %v", what, limit)
	}
}
