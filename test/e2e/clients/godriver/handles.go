package godriver

import (
	"fmt"
	"sync"
)

// Handles is what a driver holds open, by the name that the harness knows it by. It is safe for concurrent use.
type Handles[T any] struct {
	Prefix string

	mu     sync.Mutex
	opened int
	open   map[string]T
}

// Add keeps a thing and gives its handle.
func (h *Handles[T]) Add(thing T) any {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = map[string]T{}
	}
	h.opened++
	handle := fmt.Sprintf("%s%d", h.Prefix, h.opened)
	h.open[handle] = thing
	return map[string]string{"handle": handle}
}

// Get finds the thing of a handle.
func (h *Handles[T]) Get(handle string) (T, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	thing, ok := h.open[handle]
	if !ok {
		return thing, fmt.Errorf("nothing open as %q", handle)
	}
	return thing, nil
}

// Take finds the thing of a handle and forgets it.
func (h *Handles[T]) Take(handle string) (T, error) {
	thing, err := h.Get(handle)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, handle)
	return thing, err
}

// TakeAll gives everything that is open and forgets it.
func (h *Handles[T]) TakeAll() []T {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []T
	for _, thing := range h.open {
		all = append(all, thing)
	}
	h.open = nil
	return all
}
